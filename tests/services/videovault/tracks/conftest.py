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
def scan_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One worker, and a folder for what it makes."""
    return {"media_workers": 1, "cache_folder": str(tmp_path_factory.mktemp("cache"))}
