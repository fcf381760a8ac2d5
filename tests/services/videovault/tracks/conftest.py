"""The same library and folders as those of streams, with a worker that reads films."""

from typing import Any

import pytest

from tests.services.videovault.streams.conftest import (
    add_file,
    films,
    folder,
    library,
    media,
    scanning_library,
)

__all__ = ["add_file", "films", "folder", "library", "media", "scanning_library"]


@pytest.fixture(scope="module")
def scan_settings() -> dict[str, Any]:
    """One worker."""
    return {"media_workers": 1}
