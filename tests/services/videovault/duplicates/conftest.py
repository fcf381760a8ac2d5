"""The same library and folders as those of scans."""

from tests.services.videovault.scans.conftest import (
    films,
    folder,
    library,
    media,
    scan_settings,
    scanning_library,
)

__all__ = ["films", "folder", "library", "media", "scan_settings", "scanning_library"]
