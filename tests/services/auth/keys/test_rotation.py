"""A signing key gets one successor, by age or on request, whatever the number of replicas."""

import asyncio
import contextlib
import time

import httpx
import pytest
from jose import jwt

from auth.commands import request_new_key, withdraw_keys
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, refresh, register
from tests.services.auth.conftest import NewDatabase
from webcommon.commands import NotFound

pytestmark = pytest.mark.long


async def published(client: httpx.AsyncClient) -> list[str]:
    keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in keys]


async def wait_for_keys(client: httpx.AsyncClient, count: int) -> list[str]:
    started = time.monotonic()
    while len(found := await published(client)) != count:
        assert time.monotonic() - started < 60, found
        await asyncio.sleep(0.05)
    return found


async def key_of(client: httpx.AsyncClient) -> str:
    kid: str = jwt.get_unverified_header((await log_in(client, await register(client)))["access_token"])[
        "kid"
    ]
    return kid


@pytest.mark.parametrize(
    "cause",
    [
        "UPDATE signing_keys SET rotate_at = now()",
        "UPDATE signing_keys SET created_at = now() - interval '31 days', active_from = now() - interval '31 days'",
    ],
    ids=["asked for", "old"],
)
async def test_ten_replicas_make_one_successor_which_is_published_before_it_signs(
    new_auth_database: NewDatabase, cause: str
) -> None:
    database = await new_auth_database()
    async with running(make_app(database.settings)) as client:
        (old,) = await published(client)
    await database.execute(cause)
    async with contextlib.AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(stack.enter_async_context(running(make_app(database.settings))) for _ in range(10))
        )
        for client in clients:
            assert len(await wait_for_keys(client, 2)) == 2
            assert await key_of(client) == old
    rows = await database.fetch(
        "SELECT kid, extract(epoch FROM active_from - created_at) AS ahead, retired_at, expires_at"
        " FROM signing_keys ORDER BY active_from"
    )
    assert [row["kid"] == old for row in rows] == [True, False]
    assert rows[1]["ahead"] == 900
    assert (rows[0]["expires_at"] - rows[0]["retired_at"]).total_seconds() == 960
    assert rows[1]["retired_at"] is rows[1]["expires_at"] is None
    events = "SELECT count(*) FROM audit_events WHERE event = 'keys_rotated'"
    assert await database.fetch_value(events) == 1


async def test_the_command_asks_once_and_a_running_service_follows_without_a_restart(
    new_auth_database: NewDatabase,
) -> None:
    database: AuthDatabase = await new_auth_database()
    with pytest.raises(NotFound):
        await database.run(request_new_key)
    async with running(make_app(database.settings, key_publish_seconds=1)) as client:
        (old,) = await wait_for_keys(client, 1)
        before = await log_in(client, await register(client))
        asked = await asyncio.gather(*(database.run(request_new_key) for _ in range(5)))
        assert (asked.count(old), asked.count(None)) == (1, 4)
        (new,) = set(await wait_for_keys(client, 2)) - {old}
        started = time.monotonic()
        while await key_of(client) != new:
            assert time.monotonic() - started < 60
        me = await client.get("/v1/users/me", headers=bearer(before["access_token"]))
        assert me.status_code == 200


async def test_only_the_key_that_signs_gets_a_successor_and_none_that_was_withdrawn(
    new_auth_database: NewDatabase,
) -> None:
    database: AuthDatabase = await new_auth_database()
    withdrawn = []
    for _ in range(2):
        async with running(make_app(database.settings)) as client:
            (key,) = await wait_for_keys(client, 1)
        assert await database.run(withdraw_keys) == [key]
        withdrawn.append(key)
    assert await database.run(request_new_key) is None, "one is on its way"
    async with running(make_app(database.settings)) as client:
        (new,) = await wait_for_keys(client, 1)
        assert new not in withdrawn
        assert await database.run(request_new_key) == new
        assert new in await wait_for_keys(client, 2)


async def test_a_leaked_key_is_withdrawn_at_once_and_refresh_tokens_live_on(
    new_auth_database: NewDatabase,
) -> None:
    database: AuthDatabase = await new_auth_database()
    with pytest.raises(NotFound):
        await database.run(withdraw_keys)
    async with running(make_app(database.settings)) as client:
        (leaked,) = await wait_for_keys(client, 1)
        before = await log_in(client, await register(client))
        headers = bearer(before["access_token"])
        assert (await client.get("/v1/users/me", headers=headers)).status_code == 200
        assert await database.run(request_new_key) == leaked
        # A successor that does not sign yet may have leaked too.
        withdrawn = await wait_for_keys(client, 2)
        assert set(await database.run(withdraw_keys)) == set(withdrawn)
        started = time.monotonic()
        while (await client.get("/v1/users/me", headers=headers)).status_code != 401:
            assert time.monotonic() - started < 60
            await asyncio.sleep(0.05)
        (new,) = await wait_for_keys(client, 1)
        assert new not in withdrawn
        answer = await refresh(client, before["refresh_token"])
        assert answer.status_code == 200
        assert jwt.get_unverified_header(answer.json()["access_token"])["kid"] == new
        me = await client.get("/v1/users/me", headers=bearer(answer.json()["access_token"]))
        assert me.status_code == 200
