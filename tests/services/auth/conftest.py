"""A running Auth on a fresh database of its own for each test module, or several on one."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase, make_app

NewDatabase = Callable[[], Awaitable[AuthDatabase]]


@pytest.fixture(scope="session")
def new_auth_database(bare_server: TestServer) -> NewDatabase:
    """`await new_auth_database()` gives a fresh, migrated database."""
    upgrade("auth", bare_server.url("auth", role="owner"))

    async def copy() -> AuthDatabase:
        settings: DatabaseSettings = await bare_server.copy_database("auth")
        return AuthDatabase(settings=settings, server=bare_server)

    return copy


@pytest.fixture(scope="module")
async def auth_database(new_auth_database: NewDatabase) -> AuthDatabase:
    """The module's database."""
    return await new_auth_database()


@pytest.fixture(scope="module")
async def auth(auth_database: AuthDatabase) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one running Auth."""
    async with running(make_app(auth_database.settings)) as client:
        yield client


@pytest.fixture(scope="module")
async def two_auths(
    auth_database: AuthDatabase,
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Clients of two applications, as of two replicas, on the module's database."""
    async with (
        running(make_app(auth_database.settings)) as one,
        running(make_app(auth_database.settings)) as other,
    ):
        yield one, other
