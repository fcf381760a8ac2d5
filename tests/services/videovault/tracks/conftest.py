"""The same library and folders as those of streams."""

from tests.services.videovault.scans.conftest import films, folder, library, media, scanning_library
from tests.services.videovault.streams.conftest import add_file

__all__ = ["add_file", "films", "folder", "library", "media", "scanning_library"]
