"""What Auth's answers tell browsers and caches, beyond what those of every service do."""

import httpx
import pytest

from tests.clients import running
from tests.services.auth.accounts import AuthDatabase, bearer, log_in, make_app, register


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
