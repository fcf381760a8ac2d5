"""Google answers wrongly, slowly or not at all: nobody is signed in, and nothing changes."""

import asyncio
import dataclasses

import pytest
from pydantic import SecretStr

from auth.components import Components
from auth.google.provider import Provider as Google
from standins.openid_provider.faults import Fault
from standins.openid_provider.provider import Provider
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app
from tests.services.auth.google.visits import (
    APP,
    Browser,
    answer_of,
    browser_of,
    google_settings,
    google_standin,
    somebody,
)
from tests.services.auth.mail.mails import eventually


@pytest.fixture(autouse=True)
def _behave(provider: Provider) -> None:
    provider.faults.clear()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.WRONG_AUDIENCE, "provider_error"),
        (Fault.SECOND_AUDIENCE, "provider_error"),
        (Fault.WRONG_AUTHORIZED_PARTY, "provider_error"),
        (Fault.WRONG_ISSUER, "provider_error"),
        (Fault.WRONG_NONCE, "provider_error"),
        (Fault.NO_NONCE, "provider_error"),
        (Fault.EXPIRED, "provider_error"),
        (Fault.NO_EXPIRY, "provider_error"),
        (Fault.ISSUED_LATER, "provider_error"),
        (Fault.ISSUED_LONG_AGO, "provider_error"),
        (Fault.NO_SUBJECT, "provider_error"),
        (Fault.WRONG_SIGNATURE, "provider_error"),
        (Fault.NO_SIGNATURE, "provider_error"),
        (Fault.SIGNED_WITH_PUBLIC_KEY, "provider_error"),
        (Fault.SIGNED_WITH_CLIENT_SECRET, "provider_error"),
        (Fault.UNKNOWN_KEY, "provider_error"),
        (Fault.NO_ID_TOKEN, "provider_error"),
        (Fault.CODE_REVOKED, "provider_error"),
        (Fault.TOKENS_GARBLED, "provider_error"),
        (Fault.TOKENS_ENDLESS, "provider_error"),
        (Fault.TOKENS_DOWN, "provider_unavailable"),
    ],
)
async def test_an_invalid_answer_of_google_changes_nothing(
    browser: Browser, provider: Provider, auth_database: AuthDatabase, fault: Fault, code: str
) -> None:
    await browser.sign_in(somebody(provider))  # so that the keys are known
    tables = ("users", "sessions", "oauth_accounts", "oauth_codes", "audit_events", "mails")
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608 - constants
    before = await auth_database.fetch(counts)
    provider.faults.add(fault)
    assert await browser.visit_for(somebody(provider)) == {"error": code}
    assert await auth_database.fetch(counts) == before
    provider.faults.clear()
    await browser.sign_in(somebody(provider))


@pytest.mark.long
@pytest.mark.parametrize("fault", [Fault.TOKENS_SLOW, Fault.TOKENS_DRIPPING])
async def test_calls_to_a_slow_google_time_out(browser: Browser, provider: Provider, fault: Fault) -> None:
    way_back = await browser.choose(await browser.begin(), somebody(provider))
    provider.faults.add(fault)
    async with asyncio.timeout(8):
        response = await browser.come_back(way_back)
    assert answer_of(response.headers["location"]) == {"error": "provider_unavailable"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.DISCOVERY_DOWN, "provider_unavailable"), (Fault.FOREIGN_DISCOVERY, "provider_error")],
)
async def test_without_discovery_the_app_gets_an_error_at_once(
    auth_database: AuthDatabase, provider: Provider, fault: Fault, code: str
) -> None:
    provider.faults.add(fault)
    service = make_app(auth_database.settings, **google_settings(provider))
    async with running(service), browser_of(service) as browser:
        assert await browser.begin() == f"{APP}?error={code}"
        provider.faults.clear()

        async def is_back() -> bool:
            return (await browser.begin()).startswith(provider.issuer)

        await eventually(is_back)


async def test_without_keys_sign_in_fails(auth_database: AuthDatabase, provider: Provider) -> None:
    provider.faults.add(Fault.KEYS_DOWN)
    service = make_app(auth_database.settings, **google_settings(provider))
    async with running(service), browser_of(service) as browser:
        assert await browser.visit_for(somebody(provider)) == {"error": "provider_unavailable"}


async def test_google_may_rotate_its_keys(auth_database: AuthDatabase) -> None:
    # A stand-in of its own: whoever fetched the others' keys a moment ago could not learn of new ones for ten seconds.
    async with google_standin() as provider:
        service = make_app(auth_database.settings, **google_settings(provider))
        seconds = [0.0]
        google = Google(
            issuer=provider.issuer,
            client_id=provider.client.id,
            client_secret=SecretStr(provider.client.secret),
            http=service.http,
            clock=lambda: seconds[0],
        )
        components = service.component(Components)
        assert components.google is not None
        replaced = dataclasses.replace(components.google, provider=google)
        service.keep(dataclasses.replace(components, google=replaced))
        async with running(service), browser_of(service) as browser:
            await browser.sign_in(somebody(provider))
            provider.keys.rotate(keep_old=False)
            asked = provider.calls["keys"]
            answers = [await browser.visit_for(somebody(provider)) for _ in range(5)]
            assert answers == [{"error": "provider_error"}] * 5
            assert provider.calls["keys"] == asked  # they were fetched less than ten seconds ago
            seconds[0] += 10
            await browser.sign_in(somebody(provider))
            assert provider.calls["keys"] == asked + 1
