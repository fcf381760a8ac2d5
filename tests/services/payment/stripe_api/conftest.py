"""The service's client, without the service."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.stripe_api.setup import make_stripe_api
from standins.stripe.standin import StandIn
from tests.services.payment.stripe_account import StripeAccount

NOWHERE = DatabaseSettings(url=DatabaseUrl(user="nobody", hosts=(("nowhere", 1),), database="nothing"))

MakeApi = Callable[..., StripeApi]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def make_api(registry: CollectorRegistry) -> AsyncIterator[MakeApi]:
    """Clients that pause shortly, and are closed after the test."""
    made: list[StripeApi] = []

    def make(base: str, *, seconds: float = 10, key: str | None = None) -> StripeApi:
        settings = Settings(
            database=NOWHERE,
            secret="s" * 32,
            stripe_api_base=base,
            stripe_timeout_seconds=seconds,
            stripe_secret_key=key,
        )
        api = make_stripe_api(settings, registry=registry)
        made.append(api)
        return replace(api, calls=replace(api.calls, pauses=(0.01, 0.01, 0.01)))

    yield make
    for api in made:
        await api.aclose()


@pytest.fixture
def api(standin: StandIn, stripe: StripeAccount, make_api: MakeApi) -> StripeApi:
    """A client at the stand-in, whose account is empty."""
    return make_api(standin.account.base_url)
