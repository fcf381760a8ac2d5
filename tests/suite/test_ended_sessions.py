"""An ended session is refused by every process of every service within five seconds, and Auth's death stops nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from jose import jwt

from tests.conftest import CopyDatabase
from tests.processes import Running
from tests.services.auth.accounts import PASSWORD, Person, bearer, log_in, refresh, register
from tests.suite.stack import Stack, running_stack, status_with
from webcommon.jwks import REFETCH_SECONDS

pytestmark = pytest.mark.long

PROMISED_SECONDS = 5

Ending = Callable[[httpx.AsyncClient, Person, dict[str, Any]], Awaitable[httpx.Response]]


@pytest_asyncio.fixture(scope="module")
async def stack(
    copy_database: CopyDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("mails")
    # What takes a quarter of an hour otherwise; shorter than the pause between two fetches of a service it must not be.
    publish = str(REFETCH_SECONDS + 2)
    async with running_stack(copy_database, folder=folder, AUTH_KEY_PUBLISH_SECONDS=publish) as running:
        yield running


async def seconds_until_refused(running: Running, token: str) -> float:
    started = time.monotonic()
    while (status := await status_with(running, token)) != 401:
        assert status == 200
        assert time.monotonic() - started < 4 * PROMISED_SECONDS, f"{running.service} takes the token yet"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def sql(stack: Stack, statement: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(**stack.auth_database.url.connect_arguments(application_name="tests"))
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


async def log_out(client: httpx.AsyncClient, _person: Person, answer: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/auth/logout", json={"refresh_token": answer["refresh_token"]})


async def end_by_id(client: httpx.AsyncClient, _person: Person, answer: dict[str, Any]) -> httpx.Response:
    session = jwt.get_unverified_claims(answer["access_token"])["sid"]
    return await client.delete(f"/v1/auth/sessions/{session}", headers=bearer(answer["access_token"]))


async def change_password_elsewhere(
    client: httpx.AsyncClient, person: Person, _answer: dict[str, Any]
) -> httpx.Response:
    other = await log_in(client, person)
    body = {"current_password": PASSWORD, "new_password": "eight loud harbours"}
    return await client.post("/v1/auth/password/change", json=body, headers=bearer(other["access_token"]))


async def delete_account(
    client: httpx.AsyncClient, _person: Person, answer: dict[str, Any]
) -> httpx.Response:
    return await client.request(
        "DELETE", "/v1/users/me", json={"password": PASSWORD}, headers=bearer(answer["access_token"])
    )


@pytest.mark.parametrize("end", [log_out, end_by_id, change_password_elsewhere, delete_account])
async def test_an_ended_session_is_refused_everywhere_within_five_seconds(stack: Stack, end: Ending) -> None:
    person = await register(stack.auth.client)
    answer = await log_in(stack.auth.client, person)
    token = answer["access_token"]
    # Every process has verified and remembered the token.
    assert [await status_with(running, token) for running in stack.everywhere] == [200] * 5
    # The second Auth ends it, of which the other services have never heard.
    assert (await end(stack.second_auth.client, person, answer)).status_code == 204
    waits = await asyncio.gather(*(seconds_until_refused(running, token) for running in stack.everywhere))
    assert max(waits) < PROMISED_SECONDS, waits
    assert max(waits[:2]) < 0.5, waits


async def test_a_reused_refresh_token_and_a_disabled_account_end_it_as_well(stack: Stack) -> None:
    client = stack.auth.client
    reused, disabled = await register(client), await register(client)
    administrator = await log_in(client, chief := await register(client))
    await sql(stack, "UPDATE users SET roles = '{user,admin}' WHERE email = $1 RETURNING 1", chief.email)
    first, second = await log_in(client, reused), await log_in(client, disabled)
    tokens = [first["access_token"], second["access_token"]]
    for token in tokens:
        assert [await status_with(running, token) for running in stack.everywhere] == [200] * 5
    successor = (await refresh(client, first["refresh_token"])).json()
    assert (await refresh(client, successor["refresh_token"])).status_code == 200
    assert (await refresh(stack.second_auth.client, first["refresh_token"])).status_code == 401
    response = await client.post(
        f"/v1/admin/users/{second['user']['id']}/disable", headers=bearer(administrator["access_token"])
    )
    assert response.status_code == 200
    for token in tokens:
        waits = await asyncio.gather(*(seconds_until_refused(running, token) for running in stack.everywhere))
        assert max(waits) < PROMISED_SECONDS, waits
    assert [await status_with(running, administrator["access_token"]) for running in stack.everywhere] == [
        200
    ] * 5


async def test_the_feed_is_public_and_answers_its_own_tag_with_304(stack: Stack) -> None:
    response = await stack.auth.client.get("/v1/revocations")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=1"
    again = await stack.auth.client.get(
        "/v1/revocations", headers={"If-None-Match": response.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]


async def published(running: Running) -> set[str]:
    keys = (await running.client.get("/.well-known/jwks.json")).json()["keys"]
    return {key["kid"] for key in keys}


async def test_keys_rotate_under_load_without_a_single_refusal(stack: Stack) -> None:
    person = await register(stack.auth.client)
    old = (await log_in(stack.auth.client, person))["access_token"]
    (kid,) = await published(stack.auth)
    assert await sql(stack, "UPDATE signing_keys SET rotate_at = now() RETURNING kid") == kid
    started, statuses, signed_by = time.monotonic(), [], kid
    new = old
    while signed_by == kid:
        assert time.monotonic() - started < 60
        pair = await log_in(stack.second_auth.client, person)
        new = pair["access_token"]
        signed_by = jwt.get_unverified_header(new)["kid"]
        for running in stack.everywhere:
            statuses += [await status_with(running, old), await status_with(running, new)]
    assert set(statuses) == {200}, statuses
    # One successor, though two processes saw that the key was due.
    assert await published(stack.auth) == await published(stack.second_auth) == {kid, signed_by}
    assert await sql(stack, "SELECT count(*) FROM audit_events WHERE event = 'keys_rotated'") == 1
    left = await sql(
        stack, "SELECT extract(epoch FROM expires_at - retired_at) FROM signing_keys WHERE kid = $1", kid
    )
    assert left == 16 * 60
    await sql(
        stack,
        "UPDATE signing_keys SET active_from = created_at, retired_at = now(), expires_at = now()"
        " WHERE kid = $1 RETURNING 1",
        kid,
    )
    while kid in await published(stack.auth) or kid in await published(stack.second_auth):
        assert time.monotonic() - started < 90
        await asyncio.sleep(0.1)
    assert [await status_with(running, new) for running in stack.everywhere] == [200] * 5


async def test_the_others_go_on_when_auth_is_dead_and_still_refuse_what_had_ended(stack: Stack) -> None:
    client = stack.auth.client
    live, ended = [await log_in(client, await register(client)) for _ in range(2)]
    for running in stack.others:
        assert await status_with(running, live["access_token"]) == 200
    assert (await log_out(client, Person(email="", username=""), ended)).status_code == 204
    await asyncio.gather(*(seconds_until_refused(running, ended["access_token"]) for running in stack.others))
    await stack.auth.kill()
    await stack.second_auth.kill()
    # Longer than several polls: the answers that fail must change nothing.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for running in stack.others:
            assert await status_with(running, live["access_token"]) == 200
            assert await status_with(running, ended["access_token"]) == 401
