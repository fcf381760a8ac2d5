"""What Payment is told by its environment, a file for each part of it."""

from payment.settings.service import Settings

__all__ = ["Settings"]
