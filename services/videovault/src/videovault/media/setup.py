"""What reads media files, from the settings."""

import contextlib
from collections.abc import AsyncIterator

from videovault.media.calls import MediaWorkers
from videovault.settings import Settings


def make_media_workers(settings: Settings) -> MediaWorkers | None:
    """The worker processes, of which none runs yet; None if the settings allow none."""
    if settings.media_workers == 0:
        return None
    return MediaWorkers(
        most=settings.media_workers, seconds=settings.media_seconds, memory_mb=settings.media_memory_mb
    )


@contextlib.asynccontextmanager
async def media_workers_running(settings: Settings) -> AsyncIterator[MediaWorkers | None]:
    """Worker processes for the length of a command."""
    workers = make_media_workers(settings)
    async with contextlib.nullcontext() if workers is None else workers.running():
        yield workers
