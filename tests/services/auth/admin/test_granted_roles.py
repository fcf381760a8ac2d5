"""Roles that the operator's command grants and revokes, and their events in the account's history."""

import asyncio
from typing import Any

import httpx
import pytest

from auth.commands import Roles, change_role
from dbcommon.migrations import downgrade
from quartet.errors import ServerFailed
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, register
from tests.services.auth.conftest import NewDatabase
from webcommon.commands import NotFound


async def change(database: AuthDatabase, email: str, role: str, *, revoke: bool = False) -> Roles:
    """What `quartet auth grant` does."""
    return await database.run(lambda db: change_role(db, email=email, role=role, revoke=revoke))


async def read_events(client: httpx.AsyncClient, person: Person) -> list[Any]:
    """The events of an account, the newest first, and whether somebody else caused them."""
    headers = bearer((await log_in(client, person))["access_token"])
    events = (await client.get("/v1/users/me/events", headers=headers)).json()["items"]
    return [(event["event"], event["by_other"]) for event in events]


async def test_granting_and_revoking_a_role_is_one_event_each(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    for revoke, names in ((False, ["user", "editor"]), (True, ["user"])):
        for email in (person.email, person.email.upper()):
            roles = await change(auth_database, email, "editor", revoke=revoke)
            assert (roles.names, roles.email_verified) == (names, False)
    assert await read_events(auth, person) == [
        ("login", False),
        ("role_revoked", True),
        ("role_granted", True),
        ("register", False),
    ]


async def test_twenty_concurrent_grants_of_a_role_are_one_event(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    given = await asyncio.gather(
        *[change(auth_database, person.email, role) for role in ("admin", "editor") * 10]
    )
    assert {len(set(roles.names)) - len(roles.names) for roles in given} == {0}
    assert sorted((await log_in(auth, person))["user"]["roles"]) == ["admin", "editor", "user"]
    assert (await read_events(auth, person)).count(("role_granted", True)) == 2


async def test_granting_reports_whether_the_address_is_verified(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", person.email)
    roles = await change(auth_database, person.email, "admin")
    assert roles.email_verified


async def test_an_invalid_grant_changes_nothing(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    with pytest.raises(NotFound, match="register first"):
        await change(auth_database, "nobody@example.com", "admin")
    with pytest.raises(ServerFailed, match="not up to date"):
        await change(auth_database, person.email, "king")
    assert await read_events(auth, person) == [("login", False), ("register", False)]


async def test_a_database_whose_history_knows_no_roles_is_to_be_migrated_first(
    bare_server: TestServer, new_auth_database: NewDatabase
) -> None:
    database = await new_auth_database()
    await database.execute("INSERT INTO users (email, username) VALUES ('a@example.com', 'ada')")
    await change(database, "a@example.com", "editor")
    owner = bare_server.url("auth", role="owner", database=database.settings.url.database)
    await asyncio.to_thread(downgrade, "auth", owner, revision="factors_in_doubt")
    assert await database.fetch_value("SELECT count(*) FROM audit_events") == 0
    with pytest.raises(ServerFailed, match="quartet db migrate auth"):
        await change(database, "a@example.com", "admin")
    assert await database.fetch_value("SELECT roles FROM users") == ["user", "editor"]
