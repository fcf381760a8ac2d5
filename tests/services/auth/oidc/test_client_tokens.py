"""A client's tokens: what they hold, and how they are refreshed, introspected and revoked."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jose import jwt

from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, refresh, register
from tests.services.auth.oidc.standard_client import (
    CLIENT,
    ISSUER,
    Attempt,
    Pair,
    end_reason,
    refresh_as,
    session_of,
)


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
