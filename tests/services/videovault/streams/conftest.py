"""The same library and folders as those of scans, and files in them that are videos without a scan."""

from collections.abc import Awaitable, Callable

import pytest

from tests.services.videovault.scans.conftest import (
    films,
    folder,
    library,
    media,
    scan_settings,
    scanning_library,
)
from tests.services.videovault.scans.folders import Films

__all__ = ["films", "folder", "library", "media", "scan_settings", "scanning_library"]

AddFile = Callable[..., Awaitable[str]]


@pytest.fixture
def add_file(films: Films) -> AddFile:
    """`await add_file("film.mp4", b"content")`: the path of the stream of a new file in the root."""

    async def add(name: str, content: bytes = b"", **changed: str) -> str:
        films.write(name, content)
        values = {"file_path": f"{films.folder}/{name}", "file_name": name.rpartition("/")[2], **changed}
        video = await films.library.add(**values)
        return f"/v1/videos/{video['id']}/stream"

    return add
