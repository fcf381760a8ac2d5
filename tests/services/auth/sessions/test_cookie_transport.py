"""Refresh tokens in a cookie, for browsers."""

import asyncio
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, register

COOKIE = "__Host-quartet_refresh"
PAGE = "https://app.example.com"
OWN = "http://test"


@pytest.fixture
async def client(auth_database: AuthDatabase) -> Any:
    async with running(make_app(auth_database.settings, cors_origins=PAGE)) as opened:
        yield opened


def set_cookie(response: httpx.Response) -> "Morsel[str] | None":
    """What the response does to the cookie."""
    jar: SimpleCookie = SimpleCookie()
    for line in response.headers.get_list("set-cookie"):
        jar.load(line)
    return jar.get(COOKIE)


def sent(token: str, *, origin: str | None = PAGE) -> dict[str, str]:
    """The headers of a browser's call with the cookie."""
    return {"cookie": f"{COOKIE}={token}", **({} if origin is None else {"origin": origin})}


async def begin(client: httpx.AsyncClient, person: Person | None = None) -> str:
    """The value of the cookie after a sign-in."""
    person = person or await register(client)
    response = await client.post(
        "/v1/auth/login",
        params={"transport": "cookie"},
        json={"login": person.email, "password": person.password},
        headers={"origin": PAGE},
    )
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"access_token", "token_type", "expires_in", "user"}
    cookie = set_cookie(response)
    assert cookie is not None
    assert cookie.value not in response.text
    return cookie.value


async def test_the_refresh_token_is_in_a_cookie_that_only_this_host_gets(client: httpx.AsyncClient) -> None:
    person = await register(client)
    response = await client.post(
        "/v1/auth/login?transport=cookie",
        json={"login": person.email, "password": person.password},
        headers={"origin": PAGE},
    )
    cookie = set_cookie(response)
    assert cookie is not None
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "strict")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert int(cookie["max-age"]) == 30 * 24 * 3600
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"
    unknown = await client.post("/v1/auth/login?transport=pigeon", json={"login": "a", "password": "b"})
    assert unknown.status_code == 422


async def test_a_cookie_is_rotated_like_any_refresh_token(client: httpx.AsyncClient) -> None:
    token = await begin(client)
    for _ in range(3):
        response = await client.post("/v1/auth/refresh", headers=sent(token))
        assert response.status_code == 200, response.text
        assert set(response.json()) == {"access_token", "token_type", "expires_in"}
        cookie = set_cookie(response)
        assert cookie is not None
        assert cookie.value not in ("", token)
        token = cookie.value
    me = await client.get("/v1/users/me", headers=bearer(response.json()["access_token"]))
    assert me.status_code == 200


@pytest.mark.parametrize("path", ["/v1/auth/refresh", "/v1/auth/logout"])
@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "http://app.example.com",
        PAGE + ".evil.example",
        "http://localhost:5100",
    ],
)
async def test_a_page_that_was_not_registered_cannot_use_the_cookie(
    client: httpx.AsyncClient, path: str, origin: str | None
) -> None:
    token = await begin(client)
    for query in ("", "?transport=cookie"):
        response = await client.post(path + query, headers=sent(token, origin=origin))
        assert (response.status_code, response.json()["type"]) == (403, "/problems/origin-refused")
        assert set_cookie(response) is None
    assert (await client.post("/v1/auth/refresh", headers=sent(token, origin=OWN))).status_code == 200


async def test_a_foreign_page_cannot_sign_a_browser_in(client: httpx.AsyncClient) -> None:
    person = await register(client)
    body = {"login": person.email, "password": person.password}
    response = await client.post(
        "/v1/auth/login?transport=cookie", json=body, headers={"origin": "https://evil.example"}
    )
    assert response.status_code == 403
    assert set_cookie(response) is None


async def test_a_refused_cookie_is_taken_away(client: httpx.AsyncClient) -> None:
    token = await begin(client)
    response = await client.post("/v1/auth/logout", headers=sent(token))
    gone = set_cookie(response)
    assert response.status_code == 204
    assert gone is not None
    assert (gone.value, gone["max-age"], bool(gone["secure"])) == ("", "0", True)
    for stale in (token, "nonsense"):
        refused = await client.post("/v1/auth/refresh", headers=sent(stale))
        assert (refused.status_code, refused.json()["type"]) == (401, "/problems/refresh-token-refused")
        gone = set_cookie(refused)
        assert gone is not None
        assert (gone.value, gone["max-age"]) == ("", "0")
    missing = await client.post("/v1/auth/refresh?transport=cookie", headers={"origin": PAGE})
    assert missing.status_code == 401


async def test_fifty_refreshes_by_cookie_at_once_have_one_successor(client: httpx.AsyncClient) -> None:
    token = await begin(client)
    responses = await asyncio.gather(
        *(client.post("/v1/auth/refresh", headers=sent(token)) for _ in range(50))
    )
    assert {response.status_code for response in responses} == {200}
    cookies = [set_cookie(response) for response in responses]
    assert len({cookie.value for cookie in cookies if cookie is not None}) == 1


async def test_a_body_needs_no_origin_and_sets_no_cookie(client: httpx.AsyncClient) -> None:
    answer = await log_in(client, await register(client))
    response = await client.post(
        "/v1/auth/refresh",
        json={"refresh_token": answer["refresh_token"]},
        headers={"cookie": f"{COOKIE}=nonsense"},
    )
    assert response.status_code == 200
    assert "refresh_token" in response.json()
    assert set_cookie(response) is None
    bodies: list[dict[str, str] | None] = [{}, None]
    for body in bodies:
        empty = await client.post("/v1/auth/refresh", json=body)
        assert (empty.status_code, empty.json()["errors"][0]["pointer"]) == (422, "#/refresh_token")
