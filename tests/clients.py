"""Clients of applications, most of which run in the test's own loop."""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx

from dbcommon.engine import Database
from tests.documented import checking
from webcommon.accounts.passwords import PasswordHasher
from webcommon.app.service import Service


def quick_hasher() -> PasswordHasher:
    """argon2id at the lowest cost, for tests that are not about hashing."""
    return PasswordHasher(memory_kib=8, time_cost=1)


class CountingHasher(PasswordHasher):
    """Counts hashes, whose number is what an answer's time could reveal of an account. Cheap unless told otherwise."""

    def __init__(self, *, memory_kib: int = 8, time_cost: int = 1) -> None:
        super().__init__(memory_kib=memory_kib, time_cost=time_cost)
        self.hashes = 0
        self.compared: list[str] = []

    async def hash(self, password: str) -> str:
        self.hashes += 1
        return await super().hash(password)

    def _fits(self, password: str | bytes, password_hash: str) -> bool:
        self.compared.append(password_hash)
        return super()._fits(password, password_hash)

    def work(self) -> tuple[int, int]:
        """The numbers of hashes and of comparisons since the last call."""
        done = self.hashes, len(self.compared)
        self.hashes, self.compared = 0, []
        return done


@contextlib.asynccontextmanager
async def counting_statements(database: Database) -> AsyncIterator[list[str]]:
    """The statements that `fetch_record` and `fetch_records` run on the pool's current connections."""
    statements: list[str] = []
    async with _noting(database, lambda logged: statements.append(logged.query)):
        yield statements


@contextlib.asynccontextmanager
async def logging_queries(database: Database) -> AsyncIterator[list[asyncpg.connection.LoggedQuery]]:
    """The same, with their arguments."""
    queries: list[asyncpg.connection.LoggedQuery] = []
    async with _noting(database, queries.append):
        yield queries


@contextlib.asynccontextmanager
async def _noting(
    database: Database, note: Callable[[asyncpg.connection.LoggedQuery], None]
) -> AsyncIterator[None]:
    def tell(logged: asyncpg.connection.LoggedQuery) -> None:
        note(logged)  # the driver takes functions and methods, and nothing else that can be called

    held: list[Any] = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.pool_status().size):
            connection = await stack.enter_async_context(database.engine.connect())
            held.append((await connection.get_raw_connection()).driver_connection)
    for driver in held:
        driver.add_query_logger(tell)
    try:
        yield
        await asyncio.sleep(0)  # the driver tells of a statement in the loop's next turn
    finally:
        for driver in held:
            driver.remove_query_logger(tell)


@functools.cache
def certificates() -> ssl.SSLContext:
    """The `verify=` of clients that are made often: reading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


@contextlib.asynccontextmanager
async def running(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Start `app`, give a client that refuses undocumented answers, and stop the app at the end."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", event_hooks=checking(app)) as client,
    ):
        yield client
