"""What Auth is told by its environment, a file for each part of it."""

from auth.settings.service import Settings

__all__ = ["Settings"]
