"""The same library and folders as those of streams."""

from tests.services.videovault.streams.conftest import (
    add_file,
    films,
    folder,
    library,
    media,
    scan_settings,
    scanning_library,
)

__all__ = ["add_file", "films", "folder", "library", "media", "scan_settings", "scanning_library"]
