"""Calls that migrate a sample service's database, and look at it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import asyncpg

from dbcommon.dsn import DatabaseUrl
from dbcommon.migration_status import read_status
from dbcommon.migrations import known_revisions, upgrade
from tests.libs.sample_service import SampleService, sample_metadata

Database = tuple[DatabaseUrl, DatabaseUrl]
EmptyDatabase: TypeAlias = Callable[[str], Awaitable[Database]]


async def connect(url: DatabaseUrl) -> "asyncpg.Connection[Any]":
    """A connection of the driver."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(**url.connect_arguments(application_name="t"))
    return connection


async def migrate(service: str, url: DatabaseUrl, **options: Any) -> None:
    """`upgrade` runs a loop of its own, so it is given a thread."""
    await asyncio.to_thread(upgrade, service, url, **options)


async def status_of(
    sample: SampleService, url: DatabaseUrl
) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The present revision, the pending ones, and the drift."""
    status = await asyncio.to_thread(read_status, sample.name, url, metadata=sample_metadata())
    assert status.head == known_revisions(sample.name)[-1]
    return status.current, status.pending, status.drift


async def tables(url: DatabaseUrl) -> list[str]:
    """The names of the tables, in order."""
    connection = await connect(url)
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    await connection.close()
    return [row["tablename"] for row in rows]


async def wait_for(connection: "asyncpg.Connection[Any]", count: str) -> None:
    """Return once the query counts something."""
    while not await connection.fetchval(count):  # noqa: ASYNC110  another session changes it
        await asyncio.sleep(0.01)


CREATE_CONCURRENTLY = (
    'op.create_index("by_name", "things", ["name"], unique=True, postgresql_concurrently=True)'
)
DROP_CONCURRENTLY = 'op.drop_index("by_name", "things", postgresql_concurrently=True)'


def add_concurrent_revision(
    sample: SampleService, *, up: str = CREATE_CONCURRENTLY, name: str = "fourth", before: str = "third"
) -> None:
    """A further revision, marked `concurrently`."""
    sample.add_revision(name, before=before, up=up, down=DROP_CONCURRENTLY)
    file = sample.versions / f"{name}.py"
    file.write_text(file.read_text().replace("depends_on = None", "depends_on = None\nconcurrently = True"))
