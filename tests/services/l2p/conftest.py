"""A running Learn2Play on a fresh database of its own for each test module, and two processes of it for all modules."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings
from l2p.main import create_app
from l2p.settings import Settings
from tests.clients import quick_hasher, running
from tests.libs.webcommon.test_jwks import KeyServer, published
from tests.processes import Running, two_processes
from tests.redis_server import RedisServer, running_redis
from tests.servers import PATIENT, TestServer, throw_away_server
from tests.services.l2p.fast_games import FastGames, fast_games_on
from tests.services.l2p.played import Played
from tests.services.l2p.players import Crowd
from tests.tokens import TokenMint
from webcommon.app.service import Service

NewDatabase = Callable[[], Awaitable[DatabaseSettings]]
Pair = tuple[Running, Running]


@pytest.fixture(scope="session")
def new_database(bare_server: TestServer) -> NewDatabase:
    """`await new_database()` gives a fresh, migrated database."""
    upgrade("l2p", bare_server.url("l2p", role="owner"))

    async def copy() -> DatabaseSettings:
        return await bare_server.copy_database("l2p")

    return copy


@pytest.fixture(scope="module")
async def settings(new_database: NewDatabase) -> Settings:
    """The settings with the module's database."""
    return Settings(database=await new_database(), secret="s" * 32)


@pytest.fixture(scope="module")
async def app(settings: Settings, mint: TokenMint) -> Service:
    """The application, not started."""
    return create_app(settings, issuers=[mint.issuer], hasher=quick_hasher())


@pytest.fixture(scope="module")
async def client(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application."""
    async with running(app) as client:
        yield client


@pytest.fixture(scope="module")
async def replica(settings: Settings, mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a second application on the same database."""
    async with running(create_app(settings, issuers=[mint.issuer], hasher=quick_hasher())) as client:
        yield client


@pytest.fixture(scope="module")
async def sql(settings: Settings) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of the runtime role, for plain SQL."""
    assert settings.database is not None
    async with connected(settings.database) as connection:
        yield connection


@asynccontextmanager
async def connected(database: DatabaseSettings) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of the runtime role."""
    arguments = database.url.connect_arguments(application_name="tests")
    connection: asyncpg.Connection[Any] = await asyncpg.connect(**arguments)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def crowd(client: httpx.AsyncClient, mint: TokenMint) -> Crowd:
    """Makes players of the application."""
    return Crowd(client, mint)


@pytest.fixture
def played(crowd: Crowd, replica: httpx.AsyncClient) -> Played:
    """A game to be started."""
    return Played(crowd, replica)


@pytest.fixture(scope="module")
async def fast_games(settings: Settings, sql: "asyncpg.Connection[Any]") -> AsyncIterator[FastGames]:
    """Plays games in an instant."""
    assert settings.database is not None
    async with fast_games_on(settings.database, sql) as games:
        yield games


@pytest.fixture(scope="session")
async def key_server(mint: TokenMint) -> AsyncIterator[KeyServer]:
    """Serves the keys that processes fetch from Auth."""
    server = KeyServer()
    server.publish(published(mint))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="session")
def pair_server() -> Iterator[TestServer]:
    """The server of the two processes, whose connections would be counted on another."""
    with throw_away_server() as server:
        yield server


@pytest.fixture(scope="session")
def pair_database(pair_server: TestServer) -> DatabaseSettings:
    """The database of the two processes."""
    upgrade("l2p", pair_server.url("l2p", role="owner"))
    return DatabaseSettings(url=pair_server.url("l2p"), pool=PATIENT)


@pytest.fixture(scope="session")
async def pair(pair_database: DatabaseSettings, key_server: KeyServer) -> AsyncIterator[Pair]:
    """Two processes of Learn2Play, for tests that leave them running: a start takes longer than most of them."""
    async with two_processes("l2p", pair_database, AUTH_JWKS_URL=key_server.url) as started:
        yield started


@pytest.fixture(scope="session")
async def pair_sql(pair_database: DatabaseSettings) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection to the database of the two processes, for plain SQL."""
    async with connected(pair_database) as connection:
        yield connection


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis or Valkey to kill and to freeze."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
