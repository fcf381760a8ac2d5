"""Authorization codes: from the client's request to its tokens, and every refusal."""

import asyncio
import re
from typing import Any
from urllib.parse import quote, urljoin
from uuid import UUID

import httpx
import pytest
from jose import jwt

from auth.worker import Sweeper
from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, refresh, register
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.oidc.standard_client import (
    CLIENT,
    REDIRECT_URI,
    Attempt,
    answer_of,
    read_page_form,
    send_page,
)

ISSUER = "http://localhost:5500"
Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


def session_of(tokens: dict[str, Any]) -> UUID:
    return UUID(jwt.get_unverified_claims(tokens["access_token"])["sid"])


async def end_reason(database: AuthDatabase, session: UUID) -> Any:
    return await database.fetch_value("SELECT end_reason FROM sessions WHERE id = $1", session)


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


async def test_the_id_token_is_for_the_client_and_not_an_access_token(auth: httpx.AsyncClient) -> None:
    attempt = Attempt()
    tokens = await attempt.get_tokens(auth, await register(auth))
    keys = (await auth.get("/.well-known/jwks.json")).json()
    claims = jwt.decode(
        tokens["id_token"],
        keys,
        algorithms=["ES256"],
        audience=CLIENT,
        issuer=ISSUER,
        access_token=tokens["access_token"],
    )
    assert jwt.get_unverified_header(tokens["id_token"])["typ"] == "JWT"
    assert (claims["nonce"], claims["sid"]) == (attempt.nonce, str(session_of(tokens)))
    assert claims["auth_time"] <= claims["iat"] < claims["exp"]
    for path in ("/v1/users/me", "/oauth2/userinfo"):
        assert (await auth.get(path, headers=bearer(tokens["id_token"]))).status_code == 401


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("openid", set()),
        ("openid email unknown", {"email", "email_verified"}),
        ("profile openid", {"preferred_username", "updated_at"}),
    ],
)
async def test_the_scope_selects_the_claims(auth: httpx.AsyncClient, scope: str, told: set[str]) -> None:
    person, attempt = await register(auth), Attempt(scope=scope)
    tokens = await attempt.get_tokens(auth, person)
    assert set(tokens["scope"].split()) == set(scope.split()) - {"unknown"}
    for method in ("GET", "POST"):
        response = await auth.request(method, "/oauth2/userinfo", headers=bearer(tokens["access_token"]))
        assert response.status_code == 200
        assert set(response.json()) == {"sub"} | told
    identity = jwt.get_unverified_claims(tokens["id_token"])
    assert {"email", "email_verified", "preferred_username"} & set(identity) == told - {"updated_at"}
    refreshed = await auth.post(
        "/oauth2/token",
        data={
            "grant_type": "refresh_token",
            "client_id": CLIENT,
            "refresh_token": tokens["refresh_token"],
        },
    )
    assert refreshed.json()["scope"] == tokens["scope"]
    claims = jwt.get_unverified_claims(refreshed.json()["id_token"])
    assert "nonce" not in claims
    assert claims["auth_time"] == identity["auth_time"]


async def test_without_openid_there_is_no_id_token_and_no_userinfo(auth: httpx.AsyncClient) -> None:
    tokens = await Attempt(scope="email").get_tokens(auth, await register(auth))
    assert "id_token" not in tokens
    response = await auth.get("/oauth2/userinfo", headers=bearer(tokens["access_token"]))
    assert response.status_code == 403
    assert "insufficient_scope" in response.headers["www-authenticate"]


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
        # The page leads to where another link is to be had, which lets them in.
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


async def test_of_fifty_concurrent_exchanges_one_gives_a_pair_and_the_others_end_the_session(
    two_auths: Pair, auth_database: AuthDatabase
) -> None:
    person, attempt = await register(two_auths[0]), Attempt()
    code = await attempt.get_code(two_auths[0], person)
    responses = await asyncio.gather(*(attempt.exchange(two_auths[number % 2], code) for number in range(50)))
    good = [response for response in responses if response.status_code == 200]
    assert len(good) == 1
    assert {response.json()["error"] for response in responses if response not in good} == {"invalid_grant"}
    rows = await auth_database.fetch(
        "SELECT s.id, s.end_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1",
        person.email,
    )
    assert [(row["id"], row["end_reason"]) for row in rows] == [(session_of(good[0].json()), "reuse")]


async def test_a_code_used_twice_ends_its_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, attempt = await register(auth), Attempt()
    code = await attempt.get_code(auth, person)
    tokens = (await attempt.exchange(auth, code)).json()
    again = await attempt.exchange(auth, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert await end_reason(auth_database, session_of(tokens)) == "reuse"
    me = await auth.get("/v1/users/me", headers=bearer(tokens["access_token"]))
    assert me.status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "a" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:5100/callback"}, "invalid_grant"),
        ({"client_id": "l2p-web"}, "invalid_grant"),
        ({"code": "A" * 43}, "invalid_grant"),
        ({"code": "\x00ü"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_secret": "a secret"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound_and_an_eavesdropper_cannot_void_it(
    auth: httpx.AsyncClient, changed: dict[str, str | None], error: str
) -> None:
    attempt = Attempt()
    code = await attempt.get_code(auth, await register(auth))
    response = await attempt.exchange(auth, code, **changed)
    assert response.json()["error"] == error
    assert response.status_code == (401 if error == "invalid_client" else 400)
    assert response.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in response.headers) == (error == "invalid_client")
    assert set(response.json()) == {"error", "error_description"}
    assert (await attempt.exchange(auth, code)).status_code == 200


async def test_the_token_endpoint_takes_a_form_with_each_parameter_once(auth: httpx.AsyncClient) -> None:
    attempt = Attempt()
    code = await attempt.get_code(auth, await register(auth))
    grant = attempt.grant(code)
    answers = [
        await auth.post("/oauth2/token", json=grant),
        await auth.post("/oauth2/token", params=grant),
        await auth.post("/oauth2/token", data={**grant, "code": [code, code]}),
        await auth.post(
            "/oauth2/token",
            content=b"grant_type=\xff",
            headers={"content-type": "application/x-www-form-urlencoded"},
        ),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    basic = await auth.post("/oauth2/token", data=grant, auth=(CLIENT, "secret"))
    assert (basic.status_code, basic.json()["error"]) == (401, "invalid_client")
    assert basic.headers["www-authenticate"].startswith("Basic")
    assert (await auth.get("/oauth2/token")).status_code == 405
    assert (await attempt.exchange(auth, code)).status_code == 200


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("code=1&code=2&grant_type=a&grant_type=b", "a parameter is repeated: code, grant_type"),
        ("%C3%BC%22%5C%0A=1&%C3%BC%22%5C%0A=2", "a parameter is repeated"),
        ("&".join(f"p{number}=1" for number in range(51)), "there are more than 50 parameters"),
        ("code=%FF", "the parameters are not form-encoded UTF-8"),
    ],
)
async def test_error_descriptions_have_only_allowed_characters(
    auth: httpx.AsyncClient, form: str, told: str
) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await auth.post("/oauth2/token", content=form, headers=headers)
    assert (answer.status_code, answer.json()["error_description"]) == (400, told)
    asked = "&".join(f"{name}={quote(value)}" for name, value in Attempt().parameters().items())
    led = await auth.get(f"/oauth2/authorize?{asked}&{form}")
    if "location" not in led.headers:
        # Where nothing can be read there is no client to tell; the page begins its sentence with a capital.
        assert (led.status_code, told[1:] in led.text) == (400, True)
        return
    description = httpx.URL(led.headers["location"]).params["error_description"]
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", description)


async def test_a_code_is_void_after_a_minute_and_its_session_is_swept(
    auth_database: AuthDatabase,
) -> None:
    app = make_app(auth_database.settings)
    async with running(app) as client:
        person, attempt = await register(client), Attempt()
        late, fresh = await attempt.get_code(client, person), await attempt.get_code(client, person)
        await auth_database.execute(
            "UPDATE authorization_codes SET created_at = created_at - interval '60 seconds',"
            " expires_at = expires_at - interval '60 seconds'"
            " WHERE code_hash = encode(sha256(convert_to($1, 'UTF8')), 'hex')",
            late,
        )
        response = await attempt.exchange(client, late)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
        await asyncio.gather(*(app.component(Sweeper).sweep() for _ in range(5)))
        assert (await attempt.exchange(client, fresh)).status_code == 200
        rows = await auth_database.fetch(
            "SELECT end_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 ORDER BY s.id",
            person.email,
        )
        assert [row["end_reason"] for row in rows] == ["ended", None]
        await auth_database.execute(
            "UPDATE authorization_codes SET created_at = created_at - interval '2 hours',"
            " expires_at = expires_at - interval '2 hours'"
        )
        await app.component(Sweeper).sweep()
        assert await auth_database.fetch_value("SELECT count(*) FROM authorization_codes") == 0


async def test_ending_sessions_voids_codes(auth: httpx.AsyncClient) -> None:
    person, attempt = await register(auth), Attempt()
    mine = await log_in(auth, person)
    code = await attempt.get_code(auth, person)
    await auth.delete("/v1/auth/sessions", headers=bearer(mine["access_token"]))
    response = await attempt.exchange(auth, code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_the_database_holds_no_code(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    code = await Attempt().get_code(auth, await register(auth))
    rows = await auth_database.fetch("SELECT authorization_codes::text AS row FROM authorization_codes")
    assert rows
    assert not any(code in row["row"] for row in rows)


async def refresh_as(client: httpx.AsyncClient, token: str, *, client_id: str = CLIENT) -> httpx.Response:
    grant = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return await client.post("/oauth2/token", data=grant)


async def test_a_session_is_refreshed_by_its_own_client_only(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    tokens = await Attempt().get_tokens(auth, person)
    foreign = await refresh_as(auth, tokens["refresh_token"], client_id="l2p-web")
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
    assert (await refresh(auth, tokens["refresh_token"])).status_code == 401
    first_party = await log_in(auth, person)
    assert (await refresh_as(auth, first_party["refresh_token"])).status_code == 400
    assert (await refresh(auth, first_party["refresh_token"])).status_code == 200
    response = await refresh_as(auth, tokens["refresh_token"])
    assert response.status_code == 200
    assert session_of(response.json()) == session_of(tokens)
    assert jwt.get_unverified_claims(response.json()["access_token"])["client_id"] == CLIENT


async def test_fifty_concurrent_refreshes_of_a_client_have_one_successor(two_auths: Pair) -> None:
    tokens = await Attempt().get_tokens(two_auths[0], await register(two_auths[0]))
    responses = await asyncio.gather(
        *(refresh_as(two_auths[number % 2], tokens["refresh_token"]) for number in range(50))
    )
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["refresh_token"] for response in responses}) == 1


async def introspect(client: httpx.AsyncClient, token: str, *, by: str) -> dict[str, Any]:
    response = await client.post("/oauth2/introspect", data={"token": token}, headers=bearer(by))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_introspection_answers_owners_and_administrators(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, other = await register(auth), await register(auth)
    tokens = await Attempt().get_tokens(auth, person)
    mine, foreign = await log_in(auth, person), await log_in(auth, other)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        answer = await introspect(auth, token, by=mine["access_token"])
        assert (answer["active"], answer["client_id"], answer["username"]) == (True, CLIENT, person.username)
        assert await introspect(auth, token, by=foreign["access_token"]) == {"active": False}
    await auth_database.execute("UPDATE users SET roles = '{user,admin}' WHERE email = $1", other.email)
    assert (await introspect(auth, tokens["access_token"], by=foreign["access_token"]))["active"]
    await refresh_as(auth, tokens["refresh_token"])
    assert await introspect(auth, tokens["refresh_token"], by=mine["access_token"]) == {"active": False}
    for nonsense in ("nonsense", "\x00", tokens["id_token"], tokens["access_token"][:-4] + "AAAA"):
        assert await introspect(auth, nonsense, by=mine["access_token"]) == {"active": False}
    await auth.post("/oauth2/revoke", data={"token": tokens["access_token"], "client_id": CLIENT})
    assert await introspect(auth, tokens["access_token"], by=mine["access_token"]) == {"active": False}


async def test_introspection_needs_authentication(auth: httpx.AsyncClient) -> None:
    tokens = await Attempt().get_tokens(auth, await register(auth))
    for token in (tokens["access_token"], tokens["refresh_token"]):
        refused = await auth.post("/oauth2/introspect", data={"token": token})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        unknown = await auth.post("/oauth2/introspect", data={"token": token, "client_id": "unknown"})
        assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_client")
        other = await auth.post("/oauth2/introspect", data={"token": token, "client_id": "l2p-web"})
        assert other.json() == {"active": False}
        own = await auth.post("/oauth2/introspect", data={"token": token, "client_id": CLIENT})
        assert own.json()["active"] is True
    for wrong in ("nonsense", tokens["id_token"]):
        answer = await auth.post("/oauth2/introspect", data={"token": wrong}, headers=bearer(wrong))
        assert answer.status_code == 401
    answer = await auth.post("/oauth2/introspect", headers=bearer(tokens["access_token"]), data={})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revoking_a_token_ends_its_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, kind: str
) -> None:
    tokens = await Attempt().get_tokens(auth, await register(auth))
    foreign = await auth.post("/oauth2/revoke", data={"token": tokens[kind], "client_id": "l2p-web"})
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
    assert await end_reason(auth_database, session_of(tokens)) is None
    for _ in range(2):
        response = await auth.post("/oauth2/revoke", data={"token": tokens[kind], "client_id": CLIENT})
        assert (response.status_code, response.content) == (200, b"")
    assert await end_reason(auth_database, session_of(tokens)) == "logout"
    assert (await refresh_as(auth, tokens["refresh_token"])).status_code == 400
    me = await auth.get("/oauth2/userinfo", headers=bearer(tokens["access_token"]))
    assert me.status_code == 401


async def test_revoking_an_unknown_token_succeeds(auth: httpx.AsyncClient) -> None:
    for token in ("nonsense", "qrt1_" + "A" * 70, "\x00"):
        assert (await auth.post("/oauth2/revoke", data={"token": token})).status_code == 200
    assert (await auth.post("/oauth2/revoke", data={})).json()["error"] == "invalid_request"
    unknown = await auth.post("/oauth2/revoke", data={"token": "nonsense", "client_id": "unknown"})
    assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_client")


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


async def test_a_browser_may_fetch_tokens_from_the_clients_page(auth: httpx.AsyncClient) -> None:
    for origin, allowed in (("http://localhost:5100", True), ("https://evil.example", False)):
        for path in (
            "/oauth2/token",
            "/oauth2/userinfo",
            "/oauth2/revoke",
            "/.well-known/openid-configuration",
        ):
            preflight = await auth.options(
                path,
                headers={
                    "origin": origin,
                    "access-control-request-method": "POST",
                    "access-control-request-headers": "authorization",
                },
            )
            assert (preflight.headers.get("access-control-allow-origin") == origin) == allowed


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
