"""A restored database takes the place of its service's own, which is kept under another name."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg

from quartet.errors import NotFound, ServerFailed
from quartet.provision.plan import AdminConnection, ServicePlan
from quartet.provision.roles import move_settings
from quartet.provision.session import Session, identifier, open_session

TIME_FORMAT = "%Y%m%dT%H%M%SZ"
TERMINATE_MS = 5000
_NAMED = r"""
    SELECT datname FROM pg_catalog.pg_database
    WHERE starts_with(datname, $1) AND substr(datname, length($1) + 1) ~ '^\d{8}T\d{6}Z$' ORDER BY datname
"""
_OPEN = "ALLOW_CONNECTIONS true CONNECTION LIMIT -1"
_ADMITS_NOBODY = "SELECT NOT datallowconn FROM pg_catalog.pg_database WHERE datname = $1"
_IS_CLOSED = """
    SELECT NOT datallowconn OR datconnlimit <> -1 FROM pg_catalog.pg_database WHERE datname = $1
"""


def name_restored(database: str) -> str:
    """The name of a database until it takes its place."""
    return f"{database}_restored_{datetime.now(UTC).strftime(TIME_FORMAT)}"


async def list_kept(session: Session, database: str) -> list[str]:
    """The databases that were in this one's place, the oldest first."""
    return [row["datname"] for row in await session.rows(_NAMED, f"{database}_before_")]


async def _free_name(session: Session, database: str) -> str:
    """The name under which a database is kept that another takes the place of now."""
    taken, moment = await list_kept(session, database), datetime.now(UTC)
    while (name := f"{database}_before_{moment.strftime(TIME_FORMAT)}") in taken:
        moment += timedelta(seconds=1)
    return name


Prepare = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    pass


async def swap_databases(
    admin: AdminConnection, planned: ServicePlan, *, replacement: str, prepare: Prepare = _nothing
) -> str:
    """Give `replacement` the name of a service's database, whose connections end; the name under which that is kept.

    Its users are refused from the first step to the last, well under two seconds; `prepare` runs once nobody writes any
    more. When a step fails, they are let in again, and `replacement` is as closed as it was. Raises ServerFailed.
    """
    database = planned.database
    async with open_session(admin) as session:
        kept = await _free_name(session, database)
        closed = await session.value(_ADMITS_NOBODY, replacement)
        undone = f"ALLOW_CONNECTIONS {not closed} CONNECTION LIMIT -1"
        async with _emptied(session, database, undone=_OPEN), _emptied(session, replacement, undone=undone):
            await prepare()
            async with _closed(session, database), _closed(session, replacement):
                try:
                    async with session.connection.transaction():
                        await session.connection.execute(_rename(database, kept))
                        await session.connection.execute(_rename(replacement, database))
                        await move_settings(session, planned, previous=kept)
                except asyncpg.PostgresError as error:
                    raise ServerFailed(f"{database} could not be renamed ({error}): try again") from error
        await session.connection.execute(_allow(database, _OPEN))
    return kept


async def find_previous(admin: AdminConnection, planned: ServicePlan) -> str:
    """The name of the database that was in the service's place last.

    Raises NotFound when none is kept. If a swap was killed before it renamed any, the service is let in again first.
    """
    database = planned.database
    async with open_session(admin) as session:
        kept = await list_kept(session, database)
        if kept:
            return kept[-1]
        told = "nothing was swapped, or it was forgotten"
        if await session.value(_IS_CLOSED, database):
            await session.connection.execute(_allow(database, _OPEN))
            told = f"a swap ended half-way, and {database} is in its place; it was closed, and is open again"
        raise NotFound(f"there is no {database}_before_…: {told}")


async def forget_kept(admin: AdminConnection, database: str) -> list[str]:
    """Drop the databases that were in this one's place, and those that never came into it, since the restore was killed.

    Raises NotFound when there are none.
    """
    async with open_session(admin) as session:
        kept = await list_kept(session, database)
        kept += [row["datname"] for row in await session.rows(_NAMED, f"{database}_restored_")]
        if not kept:
            raise NotFound(f"there is no database {database}_before_…: there is nothing to forget")
        for name in kept:
            await session.connection.execute(f"DROP DATABASE {identifier(name)} WITH (FORCE)")
    return kept


@contextlib.asynccontextmanager
async def _emptied(session: Session, database: str, *, undone: str) -> AsyncIterator[None]:
    """Only superusers get in, and everybody else is out. A swap that was killed may have closed it to them too."""
    shut = "ALLOW_CONNECTIONS true CONNECTION LIMIT 0"
    async with _changed(session, database, shut, undone=undone):
        await _end_connections(session, database)
        yield


@contextlib.asynccontextmanager
async def _closed(session: Session, database: str) -> AsyncIterator[None]:
    """Nobody gets in, and everybody is out."""
    async with _changed(session, database, "ALLOW_CONNECTIONS false", undone="ALLOW_CONNECTIONS true"):
        await _end_connections(session, database)
        yield


@contextlib.asynccontextmanager
async def _changed(session: Session, database: str, change: str, *, undone: str) -> AsyncIterator[None]:
    # Committed by itself: before that, clients that come back at once are let in again.
    await session.connection.execute(_allow(database, change))
    try:
        yield
    except BaseException:
        await session.connection.execute(_allow(database, undone))
        raise


async def _end_connections(session: Session, database: str) -> None:
    await session.connection.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid, $2) FROM pg_catalog.pg_stat_activity"
        " WHERE datname = $1 AND backend_type = 'client backend'",
        database,
        TERMINATE_MS,
    )


def _allow(database: str, access: str) -> str:
    return f"ALTER DATABASE {identifier(database)} WITH {access}"


def _rename(database: str, name: str) -> str:
    return f"ALTER DATABASE {identifier(database)} RENAME TO {identifier(name)}"
