"""An ended session is refused by every process of every service within five seconds, also while Auth is down."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from jose import jwt

from auth.revocations.service import FRESH_SECONDS
from quartet.provision.plan import SERVICES
from tests.conftest import CopyDatabase
from tests.processes import replica
from tests.services.auth.auth_app import PASSWORD, AuthDatabase, Person, bearer, log_in, refresh, register
from tests.suite.stack import FIRST_PATHS, Stack
from webcommon.auth.revocations import ANSWER_SECONDS, POLL_SECONDS

pytestmark = [pytest.mark.long, pytest.mark.database]

PATIENCE_SECONDS = 60
"""Without the feed a token would be valid for a quarter of an hour, so a process this late does not read it."""

Ending = Callable[[httpx.AsyncClient, Person, dict[str, Any]], Awaitable[httpx.Response]]


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of a service, and a client of it."""

    service: str
    client: httpx.AsyncClient

    async def status_with(self, token: str) -> int:
        """The status of its response to this access token."""
        return (await self.client.get(FIRST_PATHS[self.service], headers=bearer(token))).status_code

    async def until_refused(self, token: str) -> None:
        """Wait until it refuses the token."""
        started = time.monotonic()
        while (status := await self.status_with(token)) != 401:
            assert status == 200
            assert time.monotonic() - started < PATIENCE_SECONDS, f"{self.service} takes the token yet"
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module")
async def everywhere(stack: Stack) -> AsyncIterator[list[Process]]:
    """All eight processes, those of Auth first."""
    async with contextlib.AsyncExitStack() as clients:
        yield [
            Process(service=service, client=client)
            for service in SERVICES
            for client in await clients.enter_async_context(stack.each(service))
        ]


@pytest.fixture(scope="module")
def database(stack: Stack) -> AuthDatabase:
    """The database of Auth."""
    return stack.database("auth")


async def statuses_with(processes: list[Process], token: str) -> list[int]:
    return [await process.status_with(token) for process in processes]


async def until_all_refuse(processes: list[Process], token: str) -> None:
    await asyncio.gather(*(process.until_refused(token) for process in processes))


def test_five_seconds_are_enough_for_a_poll_its_answer_and_the_age_of_that() -> None:
    assert POLL_SECONDS + ANSWER_SECONDS + FRESH_SECONDS < 5


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
async def test_an_ended_session_is_refused_everywhere_within_five_seconds(
    everywhere: list[Process], end: Ending
) -> None:
    auth, second_auth = (process.client for process in everywhere[:2])
    person = await register(auth)
    answer = await log_in(auth, person)
    token = answer["access_token"]
    # Every process has verified and remembered the token.
    assert await statuses_with(everywhere, token) == [200] * 8
    assert (await end(second_auth, person, answer)).status_code == 204
    assert await statuses_with(everywhere[:2], token) == [401] * 2, "Auth itself knows it at once"
    await until_all_refuse(everywhere, token)


async def test_a_reused_refresh_token_and_a_disabled_account_end_the_session_everywhere(
    everywhere: list[Process], database: AuthDatabase
) -> None:
    client, second = (process.client for process in everywhere[:2])
    reused, disabled = await register(client), await register(client)
    administrator = await log_in(client, chief := await register(client))
    await database.execute("UPDATE users SET roles = '{user,admin}' WHERE email = $1", chief.email)
    of_reused, of_disabled = await log_in(client, reused), await log_in(client, disabled)
    tokens = [of_reused["access_token"], of_disabled["access_token"]]
    for token in tokens:
        assert await statuses_with(everywhere, token) == [200] * 8
    successor = (await refresh(client, of_reused["refresh_token"])).json()
    assert (await refresh(client, successor["refresh_token"])).status_code == 200
    assert (await refresh(second, of_reused["refresh_token"])).status_code == 401
    response = await client.post(
        f"/v1/admin/users/{of_disabled['user']['id']}/disable", headers=bearer(administrator["access_token"])
    )
    assert response.status_code == 200
    for token in tokens:
        await until_all_refuse(everywhere, token)
    assert await statuses_with(everywhere, administrator["access_token"]) == [200] * 8


async def test_the_feed_is_public_and_answers_its_etag_with_304(everywhere: list[Process]) -> None:
    client = everywhere[0].client
    response = await client.get("/v1/revocations")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=1"
    again = await client.get("/v1/revocations", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]


async def published(client: httpx.AsyncClient) -> set[str]:
    keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    return {key["kid"] for key in keys}


async def test_keys_rotate_under_load_without_a_refusal(
    everywhere: list[Process], database: AuthDatabase
) -> None:
    first, second = (process.client for process in everywhere[:2])
    person = await register(first)
    old = (await log_in(first, person))["access_token"]
    (kid,) = await published(first)
    assert await database.fetch_value("UPDATE signing_keys SET rotate_at = now() RETURNING kid") == kid
    started, statuses, signed_by = time.monotonic(), [], kid
    new = old
    while signed_by == kid:
        assert time.monotonic() - started < 60
        new = (await log_in(second, person))["access_token"]
        signed_by = jwt.get_unverified_header(new)["kid"]
        for token in (old, new):
            statuses += await statuses_with(everywhere, token)
    assert set(statuses) == {200}, statuses
    # One successor, though the key was due at two processes.
    assert await published(first) == await published(second) == {kid, signed_by}
    rotations = "SELECT count(*) FROM audit_events WHERE event = 'keys_rotated'"
    assert await database.fetch_value(rotations) == 1
    left = "SELECT extract(epoch FROM expires_at - retired_at) FROM signing_keys WHERE kid = $1"
    assert await database.fetch_value(left, kid) == 16 * 60
    await database.execute(
        "UPDATE signing_keys SET active_from = created_at, retired_at = now(), expires_at = now() WHERE kid = $1",
        kid,
    )
    while kid in await published(first) or kid in await published(second):
        assert time.monotonic() - started < 90
        await asyncio.sleep(0.1)
    assert await statuses_with(everywhere, new) == [200] * 8


async def test_other_services_work_without_auth_and_refuse_ended_sessions(
    copy_database: CopyDatabase, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        auth = await stack.enter_async_context(
            replica("auth", await copy_database("auth"), AUTH_MAIL_FOLDER=str(tmp_path))
        )
        keys = str(auth.client.base_url.join("/.well-known/jwks.json"))
        running = [
            await stack.enter_async_context(
                replica(service, await copy_database(service), AUTH_JWKS_URL=keys)
            )
            for service in SERVICES
            if service != "auth"
        ]
        others = [Process(service=each.service, client=each.client) for each in running]
        live, ended = [await log_in(auth.client, await register(auth.client)) for _ in range(2)]
        assert await statuses_with(others, live["access_token"]) == [200] * 3
        assert (await log_out(auth.client, Person(email="", username=""), ended)).status_code == 204
        await until_all_refuse(others, ended["access_token"])
        await auth.kill()
        # Several polls long: failed polls must change nothing.
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert await statuses_with(others, live["access_token"]) == [200] * 3
            assert await statuses_with(others, ended["access_token"]) == [401] * 3


async def test_a_playback_url_ends_with_its_session_at_every_process(
    stack: Stack, everywhere: list[Process]
) -> None:
    """Without roots a stream is 404, which tells that the URL was good."""
    auth = everywhere[0].client
    vaults = [process.client for process in everywhere if process.service == "videovault"]
    answer = await log_in(auth, person := await register(auth))
    library = stack.database("videovault")
    video_id = uuid4()
    await library.execute(
        "INSERT INTO videos (id, file_path, file_name, file_size, mime_type) VALUES ($1, '/a.mp4', 'a.mp4', 1, 'video/mp4')",
        video_id,
    )
    begun = await vaults[0].post(f"/v1/videos/{video_id}/playback", headers=bearer(answer["access_token"]))
    url = begun.json()["url"]
    assert [(await vault.get(url)).status_code for vault in vaults] == [404, 404]

    assert (await log_out(auth, person, answer)).status_code == 204

    async with asyncio.timeout(PATIENCE_SECONDS):
        for vault in vaults:
            while (await vault.get(url)).status_code != 401:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        # What a process that starts later goes by.
        while await library.fetch("SELECT FROM playback_sessions"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
