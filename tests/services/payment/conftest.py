"""A shop for each test module: the application on a fresh database."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings
from payment.main import create_app
from payment.settings import Settings
from tests.clients import running
from tests.conftest import CopyDatabase
from tests.services.payment.shop import Shop, Sql
from tests.tokens import TokenMint
from webcommon.app.service import Service


@pytest_asyncio.fixture(scope="module")
async def database_settings(copy_database: CopyDatabase) -> DatabaseSettings:
    return await copy_database("payment")


@pytest.fixture(scope="module")
def settings(database_settings: DatabaseSettings) -> Settings:
    # No periodic work: tests start it themselves.
    return Settings(database=database_settings, secret="s" * 32, sweep_seconds=3600, delivery_seconds=3600)


@pytest_asyncio.fixture(scope="module")
async def app(settings: Settings, mint: TokenMint) -> Service:
    return create_app(settings, issuers=[mint.issuer])


@pytest_asyncio.fixture(scope="module")
async def client(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def sql(database_settings: DatabaseSettings) -> AsyncIterator[Sql]:
    """A connection of the runtime role, for plain SQL."""
    connection = await asyncpg.connect(**database_settings.url.connect_arguments(application_name="tests"))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def shop(client: httpx.AsyncClient, mint: TokenMint) -> Shop:
    return Shop(client, mint)
