"""A superuser's connection that records what it changed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from quartet.errors import ServerFailed, WrongPassword
from quartet.provision.plan import AdminConnection

STARTING_UP_SECONDS = 60.0


class Session:
    """Reads catalogs, and runs changes, each with a sentence for the report."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", *, database: str) -> None:
        self.connection = connection
        self.database = database
        self.changes: list[str] = []

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a query."""
        return await self.connection.fetch(query, *arguments)

    async def value(self, query: str, *arguments: Any) -> Any:
        """The first value of a query's first row."""
        return await self.connection.fetchval(query, *arguments)

    async def change(self, told: str, statement: str) -> None:
        """Run a statement and record what it did. `told` must hold no password."""
        await self.connection.execute(statement)
        self.changes.append(told)


@contextlib.asynccontextmanager
async def open_session(admin: AdminConnection, *, database: str | None = None) -> AsyncIterator[Session]:
    """A session as the superuser, in `database` or else in that of `admin`.

    Raises WrongPassword or ServerFailed (nothing answers there).
    """
    name = database or admin.database
    connection = await _connect(admin, name)
    try:
        yield Session(connection, database=name)
    finally:
        await connection.close()


async def _connect(admin: AdminConnection, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    deadline = time.monotonic() + STARTING_UP_SECONDS
    while True:
        try:
            return await _connect_once(admin, database)
        except asyncpg.CannotConnectNowError as error:  # it is starting up or recovering
            if time.monotonic() > deadline:
                raise _no_answer(admin, error) from error
            await asyncio.sleep(0.1)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            raise WrongPassword(
                f"the server at {admin.host}:{admin.port} refuses the password of {admin.user}: put back the password"
                " that it was made with (secrets.env of the state folder, or POSTGRES_PASSWORD)"
            ) from error
        except (OSError, asyncpg.PostgresError) as error:
            raise _no_answer(admin, error) from error


async def _connect_once(admin: AdminConnection, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        host=admin.host,
        port=admin.port,
        user=admin.user,
        password=admin.password,
        database=database,
        timeout=10,
        statement_cache_size=0,  # each statement runs once
        server_settings={"application_name": "quartet provision", "lock_timeout": "60s", "search_path": ""},
    )


def _no_answer(admin: AdminConnection, error: Exception) -> ServerFailed:
    return ServerFailed(
        f"no connection to PostgreSQL at {admin.host}:{admin.port} ({str(error) or type(error).__name__}):"
        " is it running?"
    )


def identifier(name: str) -> str:
    """A name as SQL wants it, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant of SQL (standard_conforming_strings is on by default)."""
    return "'" + text.replace("'", "''") + "'"
