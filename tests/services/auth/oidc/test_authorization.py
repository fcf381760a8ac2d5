"""A client's authorization request: the page that it shows, and every refusal."""

import asyncio
import re
from urllib.parse import urljoin

import httpx
import pytest
from jose import jwt

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, make_app, register
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.oidc.standard_client import (
    CLIENT,
    ISSUER,
    REDIRECT_URI,
    Attempt,
    answer_of,
    read_page_form,
    send_page,
)


async def test_a_client_gets_tokens_for_a_person_who_signs_in(auth: httpx.AsyncClient) -> None:
    person, attempt = await register(auth), Attempt()
    answer = answer_of(await attempt.sign_in(auth, person))
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (attempt.state, ISSUER)
    assert len(answer["code"]) == 43
    response = await attempt.exchange(auth, answer["code"])
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    claims = jwt.get_unverified_claims(tokens["access_token"])
    assert (claims["client_id"], claims["scope"]) == (CLIENT, "openid profile email")
    me = await auth.get("/v1/users/me", headers=bearer(tokens["access_token"]))
    assert me.json()["email"] == person.email


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"client_id": "quartet"},
        {"redirect_uri": None},
        {"redirect_uri": REDIRECT_URI + "/"},
        {"redirect_uri": REDIRECT_URI + "?a=b"},
        {"redirect_uri": REDIRECT_URI.replace("5100", "5101")},
        {"redirect_uri": REDIRECT_URI.upper()},
        {"redirect_uri": "http://localhost:3001/callback"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": REDIRECT_URI + "\x00"},
    ],
)
async def test_an_unregistered_redirect_uri_gets_no_redirect(
    auth: httpx.AsyncClient, changed: dict[str, str | None]
) -> None:
    response = await Attempt().open_page(auth, **changed)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert 'role="alert"' in response.text


async def test_a_repeated_client_or_redirect_uri_is_refused(auth: httpx.AsyncClient) -> None:
    parameters = Attempt().parameters()
    for name in ("client_id", "redirect_uri"):
        query = httpx.QueryParams([*parameters.items(), (name, parameters[name])])
        assert (await auth.get("/oauth2/authorize", params=query)).status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"nonce": "nö"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
    ],
)
async def test_errors_are_sent_to_the_client(
    auth: httpx.AsyncClient, changed: dict[str, str | None], error: str
) -> None:
    attempt = Attempt()
    response = await attempt.open_page(auth, **changed)
    answer = answer_of(response)
    assert (answer["error"], answer["state"], answer["iss"]) == (error, attempt.state, ISSUER)
    assert "code" not in answer
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_an_invalid_state_is_not_returned(auth: httpx.AsyncClient) -> None:
    for state in ("\x00", "ü", "a" * 3000):
        answer = answer_of(await Attempt().open_page(auth, state=state))
        assert (answer["error"], "state" in answer) == ("invalid_request", False)
    parameters = httpx.QueryParams([*Attempt().parameters().items(), ("state", "another")])
    answer = answer_of(await auth.get("/oauth2/authorize", params=parameters))
    assert (answer["error"], "state" in answer) == ("invalid_request", False)


@pytest.mark.parametrize("prompt", ["login", "consent", "select_account", "login consent"])
async def test_every_other_prompt_shows_the_page(auth: httpx.AsyncClient, prompt: str) -> None:
    response = await Attempt().open_page(auth, prompt=prompt, max_age="0", login_hint='ada"><b>@example.com')
    assert response.status_code == 200
    _, fields = read_page_form(response.text)
    assert fields["login"] == 'ada"><b>@example.com'
    assert "<b>" not in response.text


async def test_the_request_may_come_as_a_form(auth: httpx.AsyncClient) -> None:
    attempt, person = Attempt(), await register(auth)
    sent = await auth.post("/oauth2/authorize", data=attempt.parameters(login_hint="ä" * 500))
    assert (sent.status_code, "set-cookie" in sent.headers) == (303, False)
    page = await auth.get(sent.url.join(sent.headers["location"]))
    assert read_page_form(page.text)[1]["login"] == "ä" * 320
    code = answer_of(await send_page(auth, page, person))["code"]
    assert (await attempt.exchange(auth, code)).status_code == 200
    assert (await auth.post("/oauth2/authorize", json=attempt.parameters())).status_code == 400
    refused = await auth.post("/oauth2/authorize", data=attempt.parameters(prompt="none"))
    assert answer_of(refused)["error"] == "login_required"


async def test_cancelling_is_sent_to_the_client_and_begins_no_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    before = await auth_database.fetch_value("SELECT count(*) FROM sessions")
    answer = answer_of(await Attempt().sign_in(auth, person, decision="cancel", password=""))
    assert answer["error"] == "access_denied"
    assert await auth_database.fetch_value("SELECT count(*) FROM sessions") == before


async def test_a_wrong_password_shows_the_page_again_with_what_was_typed(auth: httpx.AsyncClient) -> None:
    person, attempt = await register(auth), Attempt()
    page = await attempt.sign_in(auth, person, password="nine other harbours")
    assert page.status_code == 401
    assert "nine other harbours" not in page.text
    assert 'role="alert"' in page.text
    assert page.headers["cache-control"] == "no-store"
    _, fields = read_page_form(page.text)
    assert (fields["login"], fields["password"]) == (person.email, "")
    code = answer_of(await send_page(auth, page, person))["code"]
    assert (await attempt.exchange(auth, code)).status_code == 200
    for empty in ({"login": ""}, {"password": ""}, {"login": "\x00"}):
        assert (await attempt.sign_in(auth, person, **empty)).status_code == 401


async def test_guesses_at_the_page_are_throttled(auth: httpx.AsyncClient) -> None:
    person, attempt = await register(auth), Attempt()
    page = await attempt.open_page(auth)
    guesses = [send_page(auth, page, person, {"password": f"guess {number}"}) for number in range(30)]
    statuses = [response.status_code for response in await asyncio.gather(*guesses)]
    assert statuses.count(401) <= 10
    assert set(statuses) == {401, 429}
    limited = await send_page(auth, page, person)
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 0


async def test_an_unverified_address_is_reported_after_the_password(auth_database: AuthDatabase) -> None:
    async with running(make_app(auth_database.settings, require_verified_email=True)) as client:
        person = await register(client)
        wrong = await Attempt().sign_in(client, person, password="a wrong one")
        assert (wrong.status_code, "email/resend" in wrong.text) == (401, False)
        page = await Attempt().sign_in(client, person)
        assert page.status_code == 403
        assert "not confirmed" in page.text
        # The page leads to the form for another link, by which the user gets in.
        (lead,) = re.findall(r'href="([^"]*email/resend)"', page.text)
        await mails_to(client, person.email)
        await auth_database.execute("DELETE FROM mail_cooldowns")
        asked = await client.post(urljoin(str(page.url), lead), data={"email": person.email})
        assert asked.status_code == 200
        link = {"token": await newest_token(client, person.email)}
        assert len(await mails_to(client, person.email)) == 2
        assert (await client.post("/email/verify", data=link)).status_code == 200
        assert answer_of(await Attempt().sign_in(client, person))["code"]


@pytest.mark.parametrize("form", ["sign-in", "sign-in-passkey", "sign-in-code", "sign-in-google"])
async def test_a_page_reloaded_without_its_form_says_where_to_begin(
    auth: httpx.AsyncClient, form: str
) -> None:
    page = await auth.get(f"/oauth2/{form}")
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "back to the app" in page.text
    assert (await auth.head(f"/oauth2/{form}")).status_code == 400


async def test_a_form_of_another_browser_signs_nobody_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, attempt = await register(auth), Attempt()
    page = await attempt.open_page(auth)
    before = await auth_database.fetch_value("SELECT count(*) FROM sessions")
    cookie = auth.cookies.pop("auth_sign_in")
    assert cookie
    refused = await send_page(auth, page, person)
    assert (refused.status_code, "location" in refused.headers) == (403, False)
    foreign = await send_page(auth, page, person, headers={"origin": "https://evil.example"})
    hidden = await send_page(auth, page, person, headers={"origin": "null"})
    forged = await send_page(auth, page, person, {"form": read_page_form(page.text)[1]["form"][:-3] + "AAA"})
    nonsense = await send_page(auth, page, person, {"form": "ü.\ud800".encode("utf-8", "replace").decode()})
    for response in (foreign, hidden, forged, nonsense):
        assert response.status_code == 400
    assert await auth_database.fetch_value("SELECT count(*) FROM sessions") == before
    own = await send_page(auth, refused, person, headers={"origin": "http://test"})
    assert answer_of(own)["code"]


async def test_two_pages_of_one_browser_both_work(auth: httpx.AsyncClient) -> None:
    person, attempts = await register(auth), (Attempt(), Attempt())
    pages = [await attempt.open_page(auth) for attempt in attempts]
    for attempt, page in zip(attempts, pages, strict=True):
        code = answer_of(await send_page(auth, page, person))["code"]
        assert (await attempt.exchange(auth, code)).status_code == 200


async def test_the_page_holds_no_script_of_its_own_and_may_not_be_framed(auth: httpx.AsyncClient) -> None:
    page = await Attempt().open_page(auth)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:5100;" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(r"<script(?! src=)|\son\w+=|style=", page.text)
    assert page.headers["cache-control"] == "no-store"


async def test_behind_https_the_cookie_is_bound_to_the_host(auth_database: AuthDatabase) -> None:
    app = make_app(auth_database.settings, auth_issuer="https://auth.example.com")
    async with running(app) as client:
        cookie = (await Attempt().open_page(client)).headers["set-cookie"]
    assert cookie.startswith("__Host-auth_sign_in=")
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert attribute in cookie
    assert "Domain" not in cookie


async def test_a_person_who_is_disabled_gets_no_code(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", person.email)
    known = await Attempt().sign_in(auth, person)
    unknown = await Attempt().sign_in(auth, Person(email="nobody@example.com", username="nobody"))
    assert known.status_code == unknown.status_code == 401


async def test_behind_a_prefix_the_forms_stay_behind_it(auth_database: AuthDatabase) -> None:
    transport = httpx.ASGITransport(app=make_app(auth_database.settings), root_path="/auth")
    async with httpx.AsyncClient(transport=transport, base_url="http://test/auth/") as client:
        page = await client.get("oauth2/authorize", params=Attempt().parameters())
    for route in ("sign-in", "sign-in-passkey"):
        action, _ = read_page_form(page.text, to=route)
        assert str(page.url.join(action)) == f"http://test/auth/oauth2/{route}"


async def test_while_the_database_is_away_browsers_get_a_page() -> None:
    nowhere = DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing")
    async with running(make_app(DatabaseSettings(url=nowhere))) as client:
        page = await Attempt().open_page(client)
        person = Person(email="ada@example.com", username="ada")
        answer = await send_page(client, page, person)
        link = await client.post("/email/verify", data={"token": "A" * 43})
    for response in (answer, link):
        assert response.status_code == 503
        assert response.headers["content-type"].startswith("text/html")
        assert "Try again in a moment" in response.text
        assert int(response.headers["retry-after"]) > 0
