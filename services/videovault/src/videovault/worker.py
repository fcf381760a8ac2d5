"""Background work: the words of videos that were written without them."""

import contextlib
from collections.abc import AsyncIterator

from dbcommon.engine import Database
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from videovault.query.service import index_rows
from videovault.settings import Settings
from webcommon.app.service import Service


@contextlib.asynccontextmanager
async def working(app: Service) -> AsyncIterator[None]:
    """Do the background work while the block runs; none without a database."""
    database = app.find_component(Database)
    if database is None:
        yield
        return
    schedule = Schedule(seconds=app.component(Settings).index_seconds, jitter=0.1, at_once=True)
    async with run_every(schedule, lambda: index_rows(database), name="the making of words"):
        yield
