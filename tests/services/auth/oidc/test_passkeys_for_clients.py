"""Sign-in with a passkey on the sign-in page of standard clients, as its script does it."""

import asyncio
import json
import re
from collections import Counter
from typing import Any

import httpx
import pytest
from jose import jwt

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app
from tests.services.auth.oidc.standard_client import Attempt, answer_of, read_page_form
from tests.services.auth.passkeys.owners import Owner, new_owner, request_options
from tests.services.auth.second_factors.factors import new_app


async def send(
    client: httpx.AsyncClient,
    page: httpx.Response,
    credential: Any,
    *,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Submit the form that the script fills in."""
    action, fields = read_page_form(page.text, to="sign-in-passkey")
    text = credential if isinstance(credential, str) else json.dumps(credential)
    return await client.post(page.url.join(action), data={**fields, "credential": text}, headers=headers)


async def sessions_of(database: AuthDatabase, owner: Owner) -> list[tuple[Any, ...]]:
    """The client sessions of an account."""
    statement = (
        "SELECT client_id, scope, amr FROM sessions WHERE user_id = $1::uuid AND client_id <> 'quartet'"
    )
    return [tuple(row) for row in await database.fetch(statement, owner.user_id)]


@pytest.fixture
async def owner(auth: httpx.AsyncClient) -> Owner:
    return await new_owner(auth)


async def test_a_passkey_gets_the_client_its_code_and_asks_for_no_other(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, owner: Owner
) -> None:
    await new_app(auth, owner.person)
    attempt = Attempt(scope="openid email")
    page = await attempt.open_page(auth)
    assertion = owner.authenticator.get_assertion(await request_options(auth))
    response = await send(auth, page, assertion)
    answer = answer_of(response)
    assert (set(answer), answer["state"]) == ({"code", "state", "iss"}, attempt.state)
    assert "auth_device" in response.headers["set-cookie"]
    tokens = (await attempt.exchange(auth, answer["code"])).json()
    claims = jwt.get_unverified_claims(tokens["id_token"])
    assert (claims["sub"], claims["nonce"]) == (owner.user_id, attempt.nonce)
    again = await send(auth, page, assertion)
    assert (again.status_code, "location" in again.headers) == (401, False)
    assert "The passkey was not accepted" in again.text
    assert await sessions_of(auth_database, owner) == [(attempt.client_id, "openid email", "passkey")]


async def test_twenty_concurrent_submissions_make_one_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, owner: Owner
) -> None:
    page = await Attempt().open_page(auth)
    assertion = owner.authenticator.get_assertion(await request_options(auth))
    responses = await asyncio.gather(*(send(auth, page, assertion) for _ in range(20)))
    assert Counter(response.status_code for response in responses) == {303: 1, 401: 19}
    assert len(await sessions_of(auth_database, owner)) == 1


async def test_a_form_of_another_browser_or_an_invalid_assertion_is_refused(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, owner: Owner
) -> None:
    page = await Attempt().open_page(auth)
    assertion = owner.authenticator.get_assertion(await request_options(auth))
    foreign = await send(auth, page, assertion, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 400
    own = auth.cookies.pop("auth_sign_in")
    other = await send(auth, page, assertion)
    assert other.status_code == 403, "a form that another browser was shown"
    auth.cookies.clear()
    auth.cookies.set("auth_sign_in", own)
    elsewhere = owner.authenticator.get_assertion(await request_options(auth), origin="https://evil.example")
    nonsense: list[Any] = [elsewhere, {}, [], "", "no JSON", "[" * 20_000, '{"id": "\\u0000"}']
    for credential in nonsense:
        refused = await send(auth, page, credential)
        assert (refused.status_code, 'role="alert" id="error"' in refused.text) == (401, True)
    assert await sessions_of(auth_database, owner) == []
    assert answer_of(await send(auth, page, assertion))["code"], "none of them used it up"


async def test_an_unverified_address_is_reported_and_a_disabled_account_is_not(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, owner: Owner
) -> None:
    async with running(make_app(auth_database.settings, require_verified_email=True)) as client:
        page = await Attempt().open_page(client)
        told = await send(client, page, owner.authenticator.get_assertion(await request_options(client)))
    assert (told.status_code, "not confirmed" in told.text) == (403, True)
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", owner.user_id)
    page = await Attempt().open_page(auth)
    refused = await send(auth, page, owner.authenticator.get_assertion(await request_options(auth)))
    assert (refused.status_code, "was not accepted" in refused.text) == (401, True)
    assert await sessions_of(auth_database, owner) == []


async def test_the_script_is_a_file_of_ours_on_the_page_that_needs_it(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    page = await Attempt().open_page(auth)
    assert re.findall(r"<script[^>]*>", page.text) == ['<script src="passkey.js" defer>']
    assert "; script-src 'self'; connect-src 'self';" in page.headers["content-security-policy"]
    script = await auth.get(page.url.join("passkey.js").path)
    assert (script.status_code, script.headers["x-content-type-options"]) == (200, "nosniff")
    assert script.headers["content-type"].startswith("text/javascript")
    guarded = await new_app(auth)
    code_page = await Attempt().sign_in(auth, guarded.person)
    assert "script" not in code_page.text + code_page.headers["content-security-policy"]
    unfit: tuple[dict[str, Any], ...] = (
        {"auth_issuer": "http://127.0.0.1:5500"},
        {"passkey_origins": "https://app.example.com", "passkey_domain": "example.com"},
    )
    for settings in unfit:
        async with running(make_app(auth_database.settings, **settings)) as client:
            page = await Attempt().open_page(client)
        assert "script" not in page.text + page.headers["content-security-policy"], (
            "no passkey would work there"
        )
