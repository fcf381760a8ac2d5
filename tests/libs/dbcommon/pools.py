"""Pools on a real server: opened, read on, watched, and waited for."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Double, bindparam, func, select, text

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.errors import PoolExhausted
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import PATIENT, TestServer

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"


@contextlib.asynccontextmanager
async def open_database(
    server: TestServer, name: str, *, pool: PoolSettings | None = None
) -> AsyncIterator[Database]:
    """A running pool on the server; its connections bear the name."""
    settings = DatabaseSettings(url=server.url("auth"), pool=pool or PATIENT)
    database = Database(settings, application_name=name)
    async with database.running():
        yield database


PATIENCE_SECONDS = 30
"""After so long a test says that something hangs; how fast things are, no test asks."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < PATIENCE_SECONDS, "it did not come to that"
        await asyncio.sleep(0.02)


class Watcher:
    """Counts a pool's connections at the server, again and again."""

    def __init__(self, connection: "asyncpg.Connection[Any]", name: str) -> None:
        self._connection = connection
        self._name = name
        self.most = 0
        self.pids: set[int] = set()

    async def watch(self) -> None:
        statement = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = $1"
        while True:
            pids = await self._connection.fetchval(statement, self._name) or []
            self.most = max(self.most, len(pids))
            self.pids |= set(pids)
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def watching(server: TestServer, name: str) -> AsyncIterator[Watcher]:
    """A watcher of the connections with this name, at work during the block."""
    connection = await server.connect("auth_db")
    watcher = Watcher(connection, name)
    task = asyncio.create_task(watcher.watch())
    try:
        yield watcher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.close()


async def read(database: Database, *, milliseconds: float = 0) -> int:
    """Run a statement of that duration; gives 1."""
    row = await database.fetch_one(text("SELECT 1, pg_sleep(:seconds)"), {"seconds": milliseconds / 1000})
    assert row is not None
    return int(row[0])


async def backend_count(server: TestServer, name: str) -> int:
    """How many connections with this name the server has."""
    connection = await server.connect("auth_db")
    try:
        return int(await connection.fetchval(COUNT, name))
    finally:
        await connection.close()


async def equals(count: Awaitable[int], expected: int) -> bool:
    """For `until`: whether the count is as expected."""
    return await count == expected


@contextlib.asynccontextmanager
async def exhausted(database: Database) -> AsyncIterator[None]:
    """The block has to find the only connection taken, and to wait two seconds for it."""
    async with database.engine.connect():
        started = time.monotonic()
        with pytest.raises(PoolExhausted):
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield
        assert time.monotonic() - started > 1.9


async def holds(value: bool) -> bool:
    """For `until`: a condition that needs no wait."""
    return value


class CountingProxy:
    """Stands between pool and server, and counts how often the pool spoke: one burst of bytes is one round trip."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.spoken = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pipe(server_reader, writer))
        while data := await reader.read(65536):
            self.spoken += 1
            server_writer.write(data)
        server_writer.close()
        await back

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


PREPARED = DriverStatement(
    select(func.pg_sleep(bindparam("seconds", type_=Double())).is_(None).label("slept"))
)


async def read_on_driver(database: Database, *, milliseconds: float = 0) -> bool:
    """The same by a statement of the driver."""
    record = await database.fetch_record(PREPARED, seconds=milliseconds / 1000)
    assert record is not None
    return bool(record["slept"])
