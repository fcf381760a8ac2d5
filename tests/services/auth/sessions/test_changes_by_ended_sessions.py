"""An ended session changes nothing, even in a request that was accepted before the end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, new_person, register
from tests.services.auth.mail.mails import mails_to
from tests.services.auth.passkeys.authenticator import Authenticator
from tests.services.auth.second_factors.factors import begin_app, new_app, problem
from tests.services.auth.waiting import EVERYTHING, holding_account, queue
from webcommon.app.service import Service


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A user whose session is about to end, and the request that they send meanwhile."""

    user_id: str
    headers: dict[str, str] = field(repr=False)
    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


Prepare = Callable[[httpx.AsyncClient, AuthDatabase], Awaitable[Stranger]]


async def signed_in(client: httpx.AsyncClient, person: Person | None = None, **request: Any) -> Stranger:
    answer = await log_in(client, person or await register(client))
    return Stranger(user_id=answer["user"]["id"], headers=bearer(answer["access_token"]), **request)


async def with_passkey_options(client: httpx.AsyncClient, _database: AuthDatabase) -> Stranger:
    stranger = await signed_in(client)
    options = await client.post("/v1/passkeys/register/options", headers=stranger.headers)
    credential = Authenticator().make(options.json()["public_key"])
    return Stranger(
        user_id=stranger.user_id, headers=stranger.headers, body={"credential": credential, "name": "key"}
    )


async def with_passkey(client: httpx.AsyncClient, database: AuthDatabase) -> Stranger:
    made = await with_passkey_options(client, database)
    passkey = await client.post("/v1/passkeys/register", json=made.body, headers=made.headers)
    return Stranger(
        user_id=made.user_id,
        headers=made.headers,
        path={"passkey_id": passkey.json()["id"]},
        body={"name": "mine"},
    )


async def with_link(client: httpx.AsyncClient, database: AuthDatabase) -> Stranger:
    stranger = await signed_in(client)
    link = await database.fetch_value(
        "INSERT INTO oauth_accounts (user_id, provider, provider_account_id) VALUES ($1::uuid, 'google', $1)"
        " RETURNING id",
        stranger.user_id,
    )
    return Stranger(user_id=stranger.user_id, headers=stranger.headers, path={"link_id": str(link)})


async def with_another_session(client: httpx.AsyncClient, database: AuthDatabase) -> Stranger:
    person = await register(client)
    await log_in(client, person)
    stranger = await signed_in(client, person)
    session = await database.fetch_value(
        "SELECT id FROM sessions WHERE user_id = $1::uuid ORDER BY id LIMIT 1", stranger.user_id
    )
    return Stranger(user_id=stranger.user_id, headers=stranger.headers, path={"session_id": str(session)})


async def with_begun_app(client: httpx.AsyncClient, _database: AuthDatabase) -> Stranger:
    app = await begin_app(client)
    return Stranger(user_id=app.user_id, headers=app.headers, body={"code": app.code()})


async def with_app(client: httpx.AsyncClient, _database: AuthDatabase) -> Stranger:
    app = await new_app(client)
    return Stranger(user_id=app.user_id, headers=app.headers)


def with_body(make: Callable[[Person], dict[str, Any] | None]) -> Prepare:
    async def prepare(client: httpx.AsyncClient, _database: AuthDatabase) -> Stranger:
        person = await register(client)
        return await signed_in(client, person, body=make(person))

    return prepare


CHANGES: dict[str, Prepare] = {
    "add_passkey": with_passkey_options,
    "rename_passkey": with_passkey,
    "remove_passkey": with_passkey,
    "unlink_account": with_link,
    "end_own_session": with_another_session,
    "end_other_sessions": with_another_session,
    "begin_totp": with_body(lambda _: None),
    "confirm_totp": with_begun_app,
    "remove_totp": with_app,
    "renew_recovery_codes": with_app,
    "change_password": with_body(
        lambda person: {"current_password": person.password, "new_password": "eight silent lagoons"}
    ),
    "change_own_account": with_body(
        lambda _: {"username": (other := new_person()).username, "email": other.email}
    ),
    "delete_own_account": with_body(lambda person: {"password": person.password}),
}

CHANGE_NOTHING = {"begin_passkey_registration", "introspect_token", "request_userinfo"}


@pytest.fixture(scope="module")
def app(auth_database: AuthDatabase) -> Service:
    return make_app(auth_database.settings)


@pytest.fixture(scope="module")
async def auth(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


def changing_routes(app: Service) -> dict[str, tuple[str, str]]:
    """Method and path of each route that changes the caller's account, by operation id."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "security" in operation and method != "get" and not path.startswith("/v1/admin/")
    }


def test_every_change_is_looked_at(app: Service) -> None:
    assert changing_routes(app).keys() == CHANGES.keys() | CHANGE_NOTHING


@pytest.mark.parametrize("operation", CHANGES)
async def test_a_session_that_ends_while_its_request_waits_changes_nothing(
    app: Service, auth: httpx.AsyncClient, auth_database: AuthDatabase, operation: str
) -> None:
    stranger = await CHANGES[operation](auth, auth_database)
    await mails_to(auth, "")  # so that none is being sent meanwhile, and waits for the account as well
    method, path = changing_routes(app)[operation]
    call = auth.request(
        method,
        path.format(**stranger.path),
        headers=stranger.headers,
        json=stranger.body if method != "DELETE" or operation == "delete_own_account" else None,
    )
    async with holding_account(auth_database, stranger.user_id) as owner:
        request = await queue(auth_database, call)
        await owner.execute(
            "UPDATE sessions SET ended_at = now(), end_reason = 'ended' WHERE user_id = $1::uuid",
            stranger.user_id,
        )
        before = await owner.fetchrow(EVERYTHING, stranger.user_id)
    assert problem(await request) == (401, "session-ended")
    async with auth_database.connect() as connection:
        assert await connection.fetchrow(EVERYTHING, stranger.user_id) == before
