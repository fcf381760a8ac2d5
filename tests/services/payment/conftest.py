"""A shop for each test module: the application on a fresh database."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings
from payment.main import create_app
from payment.settings import Settings
from payment.settings.stripe import STANDIN_SECRET_KEY
from payment.verification.repository import Check, find_faults
from standins.stripe.server import running_standin
from standins.stripe.standin import StandIn
from tests.clients import certificates, running
from tests.conftest import CopyDatabase
from tests.libs.webcommon.test_jwks import KeyServer, published
from tests.processes import Running, two_processes
from tests.servers import TestServer
from tests.services.payment.operator import Operator
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Shop, Sql
from tests.services.payment.stripe_account import StripeAccount
from tests.standins.stripe_clients import official_client
from tests.tokens import TokenMint
from webcommon.app.service import Service

CHECKED: tuple[Check, ...] = ("ledger_balance", "order_figures")


@pytest_asyncio.fixture(scope="module")
async def database_settings(copy_database: CopyDatabase) -> DatabaseSettings:
    return await copy_database("payment")


@pytest.fixture(scope="session")
async def standin() -> AsyncIterator[StandIn]:
    """The stand-in for Stripe, on a port of its own."""
    async with running_standin() as one:
        yield one


@pytest.fixture
async def stripe(standin: StandIn) -> AsyncIterator[StripeAccount]:
    """The account that the applications are configured with, without objects and faults."""
    standin.reset()
    async with (
        official_client(standin, key=STANDIN_SECRET_KEY) as client,
        httpx.AsyncClient(base_url=standin.account.base_url, verify=certificates()) as http,
    ):
        yield StripeAccount(standin, client, http)
    standin.reset()


@pytest.fixture(scope="module")
def settings(database_settings: DatabaseSettings, standin: StandIn) -> Settings:
    # No periodic work: tests start it themselves.
    return Settings(
        database=database_settings,
        secret="s" * 32,
        sweep_seconds=3600,
        event_seconds=3600,
        delivery_seconds=3600,
        reconcile_seconds=86_400,
        check_seconds=86_400,
        stripe_standin_url=standin.account.base_url,
        stripe_max_rps=1000,
    )


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


@pytest.fixture
async def purchases(shop: Shop, app: Service, stripe: StripeAccount) -> AsyncIterator[Purchases]:
    """Steps of purchases; nothing happens by itself. After each test the ledger sums to zero, and gives all figures."""
    steps = Purchases(shop, app, stripe)
    yield steps
    async with steps.database.transaction() as db:
        found = [await find_faults(db, check) for check in CHECKED]
    assert found == [[], []]


@pytest.fixture
def operator(settings: Settings) -> Operator:
    """Somebody who calls `quartet payment …`."""
    return Operator(settings)


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
async def pair_database(server: TestServer) -> DatabaseSettings:
    """The database of the two processes."""
    return await server.copy_database("payment")


@pytest.fixture(scope="session")
async def pair(
    pair_database: DatabaseSettings, key_server: KeyServer, standin: StandIn
) -> AsyncIterator[tuple[Running, Running]]:
    """Two processes of Payment, for tests that leave them running: a start takes longer than most of them."""
    told = {"AUTH_JWKS_URL": key_server.url, "STRIPE_STANDIN_URL": standin.account.base_url}
    async with two_processes("payment", pair_database, **told) as started:
        yield started
