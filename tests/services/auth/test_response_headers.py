"""Auth's headers for browsers and caches, beyond those of every service."""

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register


async def test_what_was_told_to_a_caller_is_not_stored(auth: httpx.AsyncClient) -> None:
    answer = await log_in(auth, await register(auth))
    headers = bearer(answer["access_token"])
    for path in ("/v1/users/me", "/v1/users/me/events", "/v1/auth/sessions", "/v1/oauth/accounts"):
        told = await auth.get(path, headers=headers)
        assert (told.status_code, told.headers.get("cache-control")) == (200, "no-store")


@pytest.mark.parametrize(
    ("issuer", "told"), [("https://auth.example.com", "max-age=31536000"), ("http://localhost:5500", None)]
)
async def test_browsers_are_told_to_keep_to_https_where_it_is_the_address(
    auth_database: AuthDatabase, issuer: str, told: str | None
) -> None:
    async with running(make_app(auth_database.settings, auth_issuer=issuer)) as client:
        for path in ("/livez", "/nowhere", "/password/reset"):
            assert (await client.get(path)).headers.get("strict-transport-security") == told


PUBLIC = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
    "/v1/revocations",
]


@pytest.mark.parametrize("path", PUBLIC)
async def test_head_of_what_is_published_tells_what_get_does_but_the_body(
    auth: httpx.AsyncClient, path: str
) -> None:
    whole, answer = await auth.get(path), await auth.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("content-type", "content-length", "cache-control", "etag"):
        assert answer.headers.get(name) == whole.headers.get(name)


async def test_head_knows_the_tag_of_the_feed_too(auth: httpx.AsyncClient) -> None:
    tag = (await auth.get("/v1/revocations")).headers["etag"]
    answer = await auth.head("/v1/revocations", headers={"If-None-Match": tag})
    assert answer.status_code == 304


async def test_a_refused_method_of_an_account_is_told_all_that_there_are(auth: httpx.AsyncClient) -> None:
    answer = await auth.put("/v1/users/me")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, PATCH, DELETE")


@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/auth/sessions", "/v1/users/me/events", "/v1/mfa"])
async def test_head_of_what_is_ones_own_tells_what_get_does_but_the_body(
    auth: httpx.AsyncClient, path: str
) -> None:
    headers = bearer((await log_in(auth, await register(auth)))["access_token"]) | {"X-Request-ID": "one"}
    answer, whole = await auth.head(path, headers=headers), await auth.get(path, headers=headers)
    assert (answer.status_code, answer.headers, answer.content) == (200, whole.headers, b"")
    assert (await auth.head(path)).status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/oauth/google/authorize", "/v1/oauth/google/callback", "/oauth2/authorize"]
)
async def test_no_step_of_a_sign_in_is_taken_by_head(auth: httpx.AsyncClient, path: str) -> None:
    answer = await auth.head(path)
    assert answer.status_code == 405
    assert "HEAD" not in answer.headers["allow"]
    assert "set-cookie" not in answer.headers
