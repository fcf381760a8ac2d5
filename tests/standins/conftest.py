"""A stand-in for Stripe that the tests of a module share, its official client, and a client of plain HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest
import stripe

from standins.stripe.server import running_standin
from standins.stripe.standin import StandIn
from tests.clients import certificates
from tests.standins.stripe_clients import official_client


@pytest.fixture(scope="module")
async def standin() -> AsyncIterator[StandIn]:
    async with running_standin() as one:
        yield one


@pytest.fixture(scope="module")
async def client(standin: StandIn) -> AsyncIterator[stripe.StripeClient]:
    async with official_client(standin) as one:
        yield one


@pytest.fixture(scope="module")
async def http(standin: StandIn) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=standin.account.base_url, verify=certificates()) as one:
        yield one
