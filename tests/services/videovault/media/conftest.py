"""Workers on media files."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from videovault.media.calls import MediaWorkers


@pytest_asyncio.fixture(scope="module")
async def workers() -> AsyncIterator[MediaWorkers]:
    """Two workers with the limits of the default settings."""
    workers = MediaWorkers(most=2, seconds=60, memory_mb=1024)
    async with workers.running():
        yield workers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's film is to be, without a link on the way."""
    return tmp_path.resolve() / "film.mp4"
