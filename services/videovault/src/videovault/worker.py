"""Background work: scans, the words of videos that were written without them, and a log of changes that stays short."""

import contextlib
from collections.abc import AsyncIterator

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from videovault.changes.service import purge
from videovault.duplicates.worker import Prover
from videovault.media.calls import MediaWorkers
from videovault.pictures.service import Pictures
from videovault.playback_urls.service import forget_ended
from videovault.query.service import index_rows
from videovault.scans.worker import ScanWorker
from videovault.settings import Settings
from videovault.streams.body import OpenStreams
from webcommon.app.service import Service

PURGE_SECONDS = 6 * 3600
"""Between two looks for changes that are old and needless."""

FOLLOW_SECONDS = 2
"""Between two looks for sessions that have ended. A service hears of an end within 3 s, and playback has to end within 5 s."""


@contextlib.asynccontextmanager
async def working(app: Service) -> AsyncIterator[None]:
    """Do the background work while the block runs; none without a database."""
    database = app.find_component(Database)
    if database is None:
        yield
        return
    media_workers = app.find_component(MediaWorkers)
    open_streams = app.component(OpenStreams)

    async def follow_sessions() -> None:
        open_streams.end_sessions(app.verifier.has_ended)
        await forget_ended(
            database, app.verifier, is_heard=app.ended_sessions.is_heard or not app.trusts_auth
        )

    following = Schedule(seconds=FOLLOW_SECONDS, jitter=0.1, at_once=True)
    indexing = Schedule(seconds=app.component(Settings).index_seconds, jitter=0.1, at_once=True)
    purging = Schedule(seconds=PURGE_SECONDS, retry_seconds=60, jitter=0.1)
    async with (
        contextlib.nullcontext() if media_workers is None else media_workers.running(),
        contextlib.aclosing(app.component(Pictures)),
        run_every(indexing, lambda: index_rows(database), name="the making of words"),
        run_every(purging, lambda: purge(database), name="the purge of the log of changes"),
        run_every(following, follow_sessions, name="the end of playback with its session"),
        app.component(ScanWorker).running(),
        app.component(Prover).running(),
    ):
        with open_streams.readers.running():
            yield
