"""Sign-in with Google: the redirect, the callback, and the binding to a browser."""

import asyncio
from collections import Counter
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from auth.main import create_app
from auth.settings import Settings
from standins.openid_provider.provider import Provider
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, refresh, register
from tests.services.auth.google.visits import (
    APP,
    Browser,
    answer_of,
    browser_of,
    google_settings,
    somebody,
)
from tests.services.auth.oidc.standard_client import Attempt
from webcommon.app.service import Service


async def test_a_first_visit_makes_an_account_and_the_next_ones_find_it(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider, name="Ada Lovelace")
    answer = await browser.sign_in(person)
    assert set(answer) == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    user = answer["user"]
    assert (user["email"], user["email_verified"], user["roles"]) == (person.email, True, ["user"])
    assert user["username"].startswith("ada.lovelace")
    again = await browser.sign_in(person)
    assert again["user"]["id"] == user["id"]
    rows = await auth_database.fetch("SELECT password_hash FROM users WHERE id = $1", UUID(user["id"]))
    assert [tuple(row) for row in rows] == [(None,)]
    me = await browser.client.get("/v1/users/me", headers=bearer(again["access_token"]))
    assert me.json() == again["user"]
    sessions = await browser.client.get("/v1/auth/sessions", headers=bearer(again["access_token"]))
    assert {item["method"] for item in sessions.json()["items"]} == {"google"}
    assert (await refresh(browser.client, again["refresh_token"])).status_code == 200
    events = await browser.client.get("/v1/users/me/events", headers=bearer(again["access_token"]))
    kinds = [event["event"] for event in events.json()["items"]]
    assert kinds == ["login", "login", "oauth_linked", "register"]


async def test_the_redirect_to_google_has_the_required_parameters(
    browser: Browser, provider: Provider
) -> None:
    response = await browser.client.get("/v1/oauth/google/authorize", params={"redirect_to": APP})
    assert (response.status_code, response.headers["cache-control"]) == (302, "no-store")
    address = response.headers["location"]
    assert address.startswith(f"{provider.issuer}/authorize?")
    query = answer_of(address)
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["scope"].split() == ["openid", "email", "profile"]
    secrets = {query["state"], query["nonce"], query["code_challenge"]}
    assert len(secrets) == 3
    assert min(len(secret) for secret in secrets) >= 43
    cookie = response.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", "max-age=600"):
        assert part in cookie
    other = answer_of(await browser.begin())
    assert not secrets & {other["state"], other["nonce"], other["code_challenge"]}


async def test_with_https_the_cookie_is_the_hosts_own(
    auth_database: AuthDatabase, provider: Provider
) -> None:
    settings = google_settings(provider, auth_issuer="https://auth.example.com")
    async with running(make_app(auth_database.settings, **settings)) as client:
        response = await client.get("/v1/oauth/google/authorize", params={"redirect_to": APP})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert {"Secure", "Path=/", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    assert (
        answer_of(response.headers["location"])["redirect_uri"]
        == "https://auth.example.com/v1/oauth/google/callback"
    )


@pytest.mark.parametrize(
    "redirect_to",
    [
        "https://evil.example/",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "https://app.example.com:444/",
        "http://app.example.com/",
        "https://app.example.com\\@evil.example/",
        "https://APP.example.com/",
        "//app.example.com/",
        "/signed-in",
        "javascript:alert(1)",
        "https://app.example.com/#part",
        "https://app.example.com/?code=1",
        "https://app.example.com/?a=1&error=2",
        "https://app.example.com/\r\nSet-Cookie: a=b",
        "https://exact.example.com/other",
        "https://exact.example.com/back?next=1",
        "http://localhost:3000/signed-in",
        "",
        "https://app.example.com/" + "a" * 2048,
    ],
)
async def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(
    auth_database: AuthDatabase, provider: Provider, redirect_to: str
) -> None:
    # In production, loopback addresses are refused like any other host's.
    settings = google_settings(
        provider,
        google_redirect_urls="https://app.example.com, https://exact.example.com/back",
        google_issuer="https://accounts.google.com",
        environment="production",
        auth_issuer="https://auth.example.com",
        smtp_host="localhost",
        secret=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"),
    )
    service = create_app(Settings(database=auth_database.settings, **settings))
    async with running(service) as client:
        response = await client.get("/v1/oauth/google/authorize", params={"redirect_to": redirect_to})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#query/redirect_to"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "redirect_to",
    [
        "https://app.example.com",
        "https://app.example.com/deep/path?state=abc",
        "https://exact.example.com/back",
        "http://127.0.0.1:5173/",
        "http://[::1]:5173/",
        "http://localhost",
    ],
)
async def test_the_browser_is_redirected_to_the_requested_address(
    auth_database: AuthDatabase, provider: Provider, redirect_to: str
) -> None:
    settings = google_settings(
        provider, google_redirect_urls="https://app.example.com, https://exact.example.com/back"
    )
    service = make_app(auth_database.settings, **settings)
    async with running(service), browser_of(service) as browser:
        location = await browser.visit(somebody(provider), redirect_to)
    separator = "&" if "?" in redirect_to else "?"
    assert location.startswith(f"{redirect_to}{separator}code=")
    assert set(answer_of(location)) - {"state"} == {"code"}


async def test_without_a_client_sign_in_with_google_is_not_found(auth: httpx.AsyncClient) -> None:
    for path in ("authorize", "callback"):
        response = await auth.get(f"/v1/oauth/google/{path}", params={"redirect_to": APP})
        assert (response.status_code, response.json()["type"]) == (404, "/problems/google-not-configured")
        assert "GOOGLE_CLIENT_ID" in response.json()["detail"]


async def test_another_browser_cannot_finish_a_sign_in(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    """Login CSRF: an attacker makes another browser open the callback of the attacker's sign-in."""
    attacker = somebody(provider)
    way_back = await browser.choose(await browser.begin(), attacker)
    async with browser_of(app) as victim:
        for _ in range(2):
            refused = await victim.come_back(way_back)
            assert refused.status_code == 400
            assert refused.headers["content-type"].startswith("text/html")
            assert "location" not in refused.headers
            await victim.begin()
    statement = "SELECT count(*) FROM users WHERE email = $1"
    assert await auth_database.fetch_value(statement, attacker.email) == 0
    # Nor was the code used up: its owner gets through.
    assert "code" in answer_of((await browser.come_back(way_back)).headers["location"])


async def test_a_state_works_once_and_says_so_to_its_own_browser(
    browser: Browser, provider: Provider
) -> None:
    way_back = await browser.choose(await browser.begin(), somebody(provider))
    assert "code" in answer_of((await browser.come_back(way_back)).headers["location"])
    for _ in range(2):
        location = (await browser.come_back(way_back)).headers["location"]
        assert location == f"{APP}?error=state_used"


async def test_a_state_lives_ten_minutes(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    way_back = await browser.choose(await browser.begin(), somebody(provider))
    await auth_database.execute(
        "UPDATE oauth_states SET created_at = created_at - interval '600 seconds',"
        " expires_at = expires_at - interval '600 seconds' WHERE used_at IS NULL"
    )
    assert (await browser.come_back(way_back)).headers["location"] == f"{APP}?error=state_expired"


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "A" * 100_00, "\x00" * 43])
async def test_an_unknown_state_leads_nowhere(browser: Browser, state: str) -> None:
    await browser.begin()
    response = await browser.client.get(
        "/v1/oauth/google/callback",
        params={"state": state, "code": "1", "redirect_to": "https://evil.example"},
    )
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "was not started in this browser" in response.text


async def test_two_tabs_of_one_browser_both_come_back(browser: Browser, provider: Provider) -> None:
    one, other = await browser.begin(), await browser.begin()
    person = somebody(provider)
    for address in (one, other):
        location = (await browser.come_back(await browser.choose(address, person))).headers["location"]
        assert "code" in answer_of(location)


async def test_a_sign_in_page_in_another_tab_does_not_interfere(browser: Browser, provider: Provider) -> None:
    address = await browser.begin()
    page = await Attempt().open_page(browser.client)
    names = [cookie.name for cookie in browser.client.cookies.jar]
    assert len(names) == len(set(names)) == 2, (
        "each has a cookie of its own, and no path hides one behind the other"
    )
    location = (await browser.come_back(await browser.choose(address, somebody(provider)))).headers[
        "location"
    ]
    assert "code" in answer_of(location)
    assert page.status_code == 200


async def test_cancelling_at_google_is_reported_and_changes_nothing(
    browser: Browser, auth_database: AuthDatabase
) -> None:
    before = await auth_database.fetch_value("SELECT count(*) FROM users")
    assert await browser.visit(None) == f"{APP}?error=access_denied"
    assert await auth_database.fetch_value("SELECT count(*) FROM users") == before


async def test_a_code_of_somebody_elses_sign_in_is_refused(browser: Browser, provider: Provider) -> None:
    """The code is injected into another sign-in of the same browser. PKCE at Google refuses it."""
    stolen = answer_of(await browser.choose(await browser.begin(), somebody(provider)))["code"]
    state = answer_of(await browser.begin())["state"]
    response = await browser.client.get("/v1/oauth/google/callback", params={"state": state, "code": stolen})
    assert answer_of(response.headers["location"]) == {"error": "provider_error"}


async def test_an_answer_of_another_issuer_is_refused(browser: Browser, provider: Provider) -> None:
    way_back = await browser.choose(await browser.begin(), somebody(provider))
    response = await browser.come_back(f"{way_back}&iss=https%3A%2F%2Felsewhere.example")
    assert answer_of(response.headers["location"]) == {"error": "provider_error"}


async def test_a_recognised_device_is_remembered_after_a_sign_in(
    browser: Browser, provider: Provider
) -> None:
    way_back = await browser.choose(await browser.begin(), somebody(provider))
    response = await browser.come_back(way_back)
    assert any(cookie.startswith("auth_device=") for cookie in response.headers.get_list("set-cookie"))
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_twenty_concurrent_callbacks_make_one_session(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    way_back = await browser.choose(await browser.begin(), person)
    responses = await asyncio.gather(*(browser.come_back(way_back) for _ in range(20)))
    answers = Counter(next(iter(answer_of(each.headers["location"]))) for each in responses)
    assert answers == {"code": 1, "error": 19}
    rows = await auth_database.fetch(
        "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1", person.email
    )
    assert len(rows) == 1


async def test_a_password_account_still_signs_in_beside_google(browser: Browser) -> None:
    assert "access_token" in await log_in(browser.client, await register(browser.client))
