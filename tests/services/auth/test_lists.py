"""Lists, which PostgreSQL writes as JSON: each page equals what its model writes."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from jose import jwt

from auth.accounts.schemas import EventAnswer
from auth.admin.schemas import AdministeredUser
from auth.errors import SessionEnded
from auth.google.schemas import LinkedAccountAnswer
from auth.sessions.schemas import SessionAnswer
from dbcommon.engine import Database
from tests.clients import counting_statements, running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register
from webcommon.api.paging import Page
from webcommon.app.service import Service

LISTS: dict[str, tuple[type[Page[Any]], str]] = {
    "/v1/admin/users": (Page[AdministeredUser], "disabled_at"),
    "/v1/users/me/events": (Page[EventAnswer], "at"),
    "/v1/oauth/accounts": (Page[LinkedAccountAnswer], "created_at"),
    "/v1/auth/sessions": (Page[SessionAnswer], "last_used_at"),
}
"""By path: the model of a page, and one of its timestamp fields."""

ODD_TEXT = 'A "quoted" \\ back\tslash \x1f 日本 😀 \u2028 </script>'
ODD_MOMENTS = {
    "2001-02-03 04:05:06+02": "2001-02-03T02:05:06Z",
    "0999-01-01 00:00:00.5+00": "0999-01-01T00:00:00.500000Z",
    "9999-12-31 23:59:59.999999+00": "9999-12-31T23:59:59.999999Z",
}
"""As they are stored, and as they are written."""

# $1: an account, $2: a text, $3: a moment. What may be missing is missing in one row or another.
ODD_ROWS = (
    """
    INSERT INTO users (email, username, roles, created_at, updated_at, disabled_at)
    SELECT gen_random_uuid() || $2::text, 'Odd.' || left(md5($1::uuid || $3::text), 12), '{}', at, at, at
    FROM CAST($3::text AS timestamptz) at
    """,
    """
    INSERT INTO audit_events (user_id, event, session_id, actor_id, at)
    SELECT $1::uuid, event, session_id, actor_id, $3::text::timestamptz
    FROM (VALUES ('role_granted', NULL, NULL), ('mfa_disabled', NULL, $1::uuid), ('logout', $1::uuid, NULL))
        AS odd (event, session_id, actor_id) WHERE $2::text <> ''
    """,
    """
    INSERT INTO oauth_accounts (user_id, provider, provider_account_id, created_at)
    VALUES ($1::uuid, 'google', gen_random_uuid() || $2::text, $3::text::timestamptz)
    """,
    """
    INSERT INTO sessions (user_id, refresh_token, refresh_token_hmac_key, expires_at, rotated_at, ip, user_agent, amr)
    SELECT $1::uuid, gen_random_uuid()::text, '', '9999-01-01Z', $3::text::timestamptz, odd.*
    FROM (VALUES ('2001:db8::1'::inet, $2::text, 'google'), (NULL, NULL, 'passkey')) odd
    """,
)


@pytest.fixture(scope="module")
async def app(auth_database: AuthDatabase) -> Service:
    return make_app(auth_database.settings)


@pytest.fixture(scope="module")
async def client(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as started:
        yield started


@pytest.fixture(scope="module")
async def owner(client: httpx.AsyncClient, auth_database: AuthDatabase) -> dict[str, str]:
    """The headers of an administrator with unusual rows in every list."""
    answer = await log_in(client, await register(client))
    user_id = UUID(answer["user"]["id"])
    await auth_database.execute("UPDATE users SET roles = '{user,admin}' WHERE id = $1", user_id)
    for statement in ODD_ROWS:
        for moment in ODD_MOMENTS:
            await auth_database.execute(statement, user_id, ODD_TEXT, moment)
    return bearer(answer["access_token"])


@pytest.mark.parametrize("path", LISTS)
async def test_pages_are_what_their_model_writes(
    client: httpx.AsyncClient, owner: dict[str, str], path: str
) -> None:
    model, moment = LISTS[path]
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while not items or cursor:
        answer = await client.get(path, params={"limit": 2, **cursor}, headers=owner)
        page = model.model_validate_json(answer.content)
        assert page.model_dump_json() == json.dumps(answer.json(), ensure_ascii=False, separators=(",", ":"))
        items += answer.json()["items"]
        cursor = {"cursor": page.next_cursor} if page.next_cursor else {}
    assert set(ODD_MOMENTS.values()) <= {item[moment] for item in items}


async def test_users_are_listed_as_they_are_read(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    listed = (await client.get("/v1/admin/users", headers=owner)).json()["items"]
    assert len(listed) > len(ODD_MOMENTS)
    for user in listed:
        read = await client.get(f"/v1/admin/users/{user['id']}", headers=owner)
        assert list(user.items()) == list(read.json().items())


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_is_one_statement(
    app: Service, client: httpx.AsyncClient, owner: dict[str, str], path: str
) -> None:
    async with counting_statements(app.component(Database)) as statements:
        assert (await client.get(path, headers=owner)).json()["items"]
    # Background work runs other statements, none of which has a caller.
    assert sum("users.roles" in statement for statement in statements) == 1


@pytest.mark.parametrize("path", LISTS)
async def test_a_caller_who_is_out_gets_no_list(
    client: httpx.AsyncClient, auth_database: AuthDatabase, path: str
) -> None:
    person = await register(client)
    ended, expired, disabled = [await log_in(client, person) for _ in range(3)]
    user_id = UUID(ended["user"]["id"])
    await auth_database.execute("UPDATE users SET roles = '{user,admin}' WHERE id = $1", user_id)
    await client.post("/v1/auth/logout", json={"refresh_token": ended["refresh_token"]})
    await auth_database.execute(
        "UPDATE sessions SET expires_at = now() WHERE id = $1",
        UUID(jwt.get_unverified_claims(expired["access_token"])["sid"]),
    )
    assert (await client.get(path, headers=bearer(disabled["access_token"]))).status_code == 200
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE id = $1", user_id)
    for answer in (ended, expired, disabled):
        for query in ({}, {"cursor": "AAAA"}):
            refused = await client.get(path, params=query, headers=bearer(answer["access_token"]))
            assert (refused.status_code, refused.json()["title"]) == (401, SessionEnded.title)
    assert (await client.get(path)).status_code == 401


async def test_who_is_no_administrator_any_more_hears_nothing_of_the_cursor(
    client: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await log_in(client, await register(client))
    for role, status in (("admin", 422), ("user", 403)):
        await auth_database.execute(
            "UPDATE users SET roles = $2 WHERE id = $1", UUID(answer["user"]["id"]), [role]
        )
        refused = await client.get("/v1/admin/users?cursor=AAAA", headers=bearer(answer["access_token"]))
        assert refused.status_code == status


@pytest.mark.parametrize("path", [path for path in LISTS if path != "/v1/admin/users"])
async def test_a_cursor_is_its_owners_alone(
    client: httpx.AsyncClient, owner: dict[str, str], path: str
) -> None:
    cursor = (await client.get(path, params={"limit": 1}, headers=owner)).json()["next_cursor"]
    other = bearer((await log_in(client, await register(client)))["access_token"])
    refused = await client.get(path, params={"cursor": cursor}, headers=other)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#query/cursor")
    assert (await client.get(path, params={"cursor": cursor}, headers=owner)).json()["items"]
