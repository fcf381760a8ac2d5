"""The code that an app gets after a sign-in with Google: exchanged once, within a minute, by whom it was meant for."""

import asyncio
import base64
import hashlib
from collections import Counter
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from jose import jwt

from auth.worker import Sweeper
from standins.openid_provider.provider import Provider
from tests.services.auth.auth_app import AuthDatabase, bearer, refresh
from tests.services.auth.google.visits import (
    Browser,
    answer_of,
    somebody,
)
from webcommon.app.service import Service


def session_of(answer: dict[str, Any]) -> UUID:
    return UUID(jwt.get_unverified_claims(answer["access_token"])["sid"])


async def test_a_code_works_once_and_its_second_use_ends_the_session(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    code = (await browser.visit_for(somebody(provider)))["code"]
    answer = (await browser.exchange(code)).json()
    again = await browser.exchange(code)
    assert (again.status_code, again.json()["type"]) == (410, "/problems/invalid-code")
    rows = await auth_database.fetch("SELECT end_reason FROM sessions WHERE id = $1", session_of(answer))
    assert [tuple(row) for row in rows] == [("reuse",)]
    assert (await refresh(browser.client, answer["refresh_token"])).status_code == 401


async def test_a_code_lives_a_minute_and_then_its_session_ends(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    code = (await browser.visit_for(somebody(provider)))["code"]
    kept = (await browser.visit_for(somebody(provider)))["code"]
    code_hash = hashlib.sha256(code.encode()).hexdigest()
    session = await auth_database.fetch_value(
        "SELECT session_id FROM oauth_codes WHERE code_hash = $1", code_hash
    )
    await auth_database.execute(
        "UPDATE oauth_codes SET created_at = created_at - interval '60 seconds',"
        " expires_at = expires_at - interval '60 seconds' WHERE code_hash = $1",
        code_hash,
    )
    assert (await browser.exchange(code)).status_code == 410
    await app.component(Sweeper).sweep()
    rows = await auth_database.fetch("SELECT end_reason FROM sessions WHERE id = $1", session)
    assert [tuple(row) for row in rows] == [("ended",)]
    assert (
        await auth_database.fetch_value("SELECT count(*) FROM revocations WHERE session_id = $1", session)
        == 1
    )
    assert (await browser.exchange(kept)).status_code == 200


async def test_expired_states_and_codes_are_swept(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    await browser.sign_in(somebody(provider))
    for table in ("oauth_states", "oauth_codes"):
        await auth_database.execute(
            f"UPDATE {table} SET created_at = created_at - interval '1 day',"  # noqa: S608 - names of this test
            " expires_at = expires_at - interval '1 day'"
        )
    await auth_database.execute("UPDATE oauth_accounts SET expires_at = now()")
    await app.component(Sweeper).sweep()
    for table in ("oauth_states", "oauth_codes"):
        assert await auth_database.fetch_value(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - as above
    kept = await auth_database.fetch_value(
        "SELECT count(*) FROM oauth_accounts WHERE access_token IS NOT NULL"
    )
    assert kept == 0


@pytest.mark.parametrize("code", ["", "x", "A" * 43, "A" * 300, "\x00", "\ud800"])
async def test_an_unknown_code_is_refused(browser: Browser, code: str) -> None:
    response = await browser.client.post(
        "/v1/oauth/exchange",
        content=b'{"code": "%s"}' % code.encode("unicode_escape").replace(b"\\x", b"\\u00"),
        headers={"content-type": "application/json"},
    )
    assert response.status_code in (410, 422)


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def test_a_code_can_be_bound_to_the_app_by_pkce(
    app: Service, browser: Browser, provider: Provider
) -> None:
    """With a challenge, a leaked or injected code is useless."""
    verifier = "v" * 43
    code = (await browser.visit_for(somebody(provider), code_challenge=challenge_of(verifier)))["code"]
    assert (await browser.exchange(code)).status_code == 410
    assert (await browser.exchange(code, code_verifier="w" * 43)).status_code == 410
    answer = await browser.exchange(code, code_verifier=verifier)
    assert answer.status_code == 200
    # Without the verifier, using the code again does not end the session.
    assert (await browser.exchange(code)).status_code == 410
    assert (await refresh(browser.client, answer.json()["refresh_token"])).status_code == 200


async def test_a_verifier_without_a_challenge_is_refused(browser: Browser, provider: Provider) -> None:
    code = (await browser.visit_for(somebody(provider)))["code"]
    assert (await browser.exchange(code, code_verifier="v" * 43)).status_code == 410


async def test_ending_the_session_voids_its_code(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    first = await browser.sign_in(person)
    code = (await browser.visit_for(person))["code"]
    ended = await browser.client.delete("/v1/auth/sessions", headers=bearer(first["access_token"]))
    assert ended.status_code == 204
    assert (await browser.exchange(code)).status_code == 410


async def test_no_url_ever_holds_a_token(browser: Browser, provider: Provider) -> None:
    provider.issued.clear()
    address = await browser.begin()
    way_back = await browser.choose(address, somebody(provider))
    location = (await browser.come_back(way_back)).headers["location"]
    answer = (await browser.exchange(answer_of(location)["code"])).json()
    google_code, *google_tokens = provider.issued
    assert google_code in way_back
    secrets = [*google_tokens, answer["access_token"], answer["refresh_token"], provider.client.secret]
    for secret in secrets:
        assert all(secret not in each for each in (address, way_back, location))
    assert google_code not in location
    assert urlsplit(location).fragment == ""


async def test_fifty_concurrent_exchanges_give_one_pair_and_end_the_session(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    code = (await browser.visit_for(person))["code"]
    responses = await asyncio.gather(*(browser.exchange(code) for _ in range(50)))
    assert Counter(each.status_code for each in responses) == {200: 1, 410: 49}
    rows = await auth_database.fetch(
        "SELECT end_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1", person.email
    )
    assert [tuple(row) for row in rows] == [("reuse",)]


async def test_the_refresh_token_can_travel_in_a_cookie(browser: Browser, provider: Provider) -> None:
    code = (await browser.visit_for(somebody(provider)))["code"]
    body = {"code": code}
    evil = {"origin": "https://evil.example"}
    refused = await browser.client.post("/v1/oauth/exchange?transport=cookie", json=body, headers=evil)
    assert refused.status_code == 403
    response = await browser.client.post("/v1/oauth/exchange?transport=cookie", json=body)
    assert response.status_code == 200
    assert "refresh_token" not in response.json()
    assert "__Host-quartet_refresh=qrt1_" in response.headers["set-cookie"]
