"""The library and folders of scans, with workers on films and a cache."""

from pathlib import Path
from typing import Any

import pytest

from tests.services.videovault.scans.conftest import films, folder, library, media, scanning_library

__all__ = ["films", "folder", "library", "media", "scanning_library"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of pictures, which is not there yet."""
    return tmp_path_factory.mktemp("cache") / "pictures"


@pytest.fixture(scope="module")
def scan_settings(cache: Path) -> dict[str, Any]:
    """Two workers that look into films, and the folder of pictures."""
    return {"media_workers": 2, "cache_folder": str(cache)}
