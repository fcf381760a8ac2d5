"""Roles that the operator's command gives and takes, and what the account's history tells of it."""

import asyncio
from typing import Any

import httpx
import pytest

from dbcommon.migrations import downgrade
from quartet.accounts import change_role
from quartet.errors import NotFound, ServerFailed, WrongSettings
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, register
from tests.services.auth.conftest import NewDatabase


async def read_events(client: httpx.AsyncClient, person: Person) -> list[Any]:
    """Names of what happened to an account, the newest first, and whether it was somebody else who did it."""
    headers = bearer((await log_in(client, person))["access_token"])
    events = (await client.get("/v1/users/me/events", headers=headers)).json()["items"]
    return [(event["event"], event["by_other"]) for event in events]


async def test_a_role_that_is_given_or_taken_is_told_in_the_accounts_history_once(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    url = auth_database.settings.url
    for revoke, names in ((False, ["user", "editor"]), (True, ["user"])):
        for email in (person.email, person.email.upper()):
            roles = await change_role(url, email=email, role="editor", revoke=revoke)
            assert (roles.names, roles.email_verified) == (names, False)
    assert await read_events(auth, person) == [
        ("login", False),
        ("role_revoked", True),
        ("role_granted", True),
        ("register", False),
    ]


async def test_a_role_given_twenty_times_at_once_is_given_and_told_once(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    url = auth_database.settings.url
    given = await asyncio.gather(
        *[change_role(url, email=person.email, role=role, revoke=False) for role in ("admin", "editor") * 10]
    )
    assert {len(set(roles.names)) - len(roles.names) for roles in given} == {0}
    assert sorted((await log_in(auth, person))["user"]["roles"]) == ["admin", "editor", "user"]
    assert (await read_events(auth, person)).count(("role_granted", True)) == 2


async def test_whose_address_is_confirmed_is_said(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", person.email)
    roles = await change_role(auth_database.settings.url, email=person.email, role="admin", revoke=False)
    assert roles.email_verified


async def test_what_cannot_be_given_changes_nothing(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    url = auth_database.settings.url
    with pytest.raises(NotFound, match="register first"):
        await change_role(url, email="nobody@example.com", role="admin", revoke=False)
    with pytest.raises(WrongSettings, match="no role 'king'"):
        await change_role(url, email=person.email, role="king", revoke=False)
    assert await read_events(auth, person) == [("login", False), ("register", False)]


async def test_a_database_whose_history_knows_no_roles_is_to_be_migrated_first(
    bare_server: TestServer, new_auth_database: NewDatabase
) -> None:
    database = await new_auth_database()
    await database.execute("INSERT INTO users (email, username) VALUES ('a@example.com', 'ada')")
    await change_role(database.settings.url, email="a@example.com", role="editor", revoke=False)
    owner = bare_server.url("auth", role="owner", database=database.settings.url.database)
    await asyncio.to_thread(downgrade, "auth", owner, revision="factors_in_doubt")
    assert await database.fetch_value("SELECT count(*) FROM audit_events") == 0
    with pytest.raises(ServerFailed, match="quartet db migrate auth"):
        await change_role(database.settings.url, email="a@example.com", role="admin", revoke=False)
    assert await database.fetch_value("SELECT roles FROM users") == ["user", "editor"]
