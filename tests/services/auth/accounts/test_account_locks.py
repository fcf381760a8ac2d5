"""Changes of an account's names, concurrent with writes that refer to the account: no deadlock."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.services.auth.auth_app import PASSWORD, AuthDatabase, bearer, log_in, new_person, refresh, register
from tests.services.auth.mail.mails import newest_token

ROUNDS = 12
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def _signed_in(client: httpx.AsyncClient) -> dict[str, Any]:
    return await log_in(client, await register(client))


async def _count_deadlocks(database: AuthDatabase) -> int:
    # The server counts a deadlock for the session that found it; its figures come when that session is idle.
    async with database.connect() as connection:
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        return int(await connection.fetchval(_DEADLOCKS))


async def test_six_refreshes_beside_two_renames_are_all_answered(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    one, other = two_auths
    before = await _count_deadlocks(auth_database)
    for _ in range(ROUNDS):
        answer = await _signed_in(one)
        headers = bearer(answer["access_token"])
        names = [new_person().username for _ in range(2)]
        answers = await asyncio.gather(
            *(refresh(client, answer["refresh_token"]) for client in (one, other) * 3),
            *(
                client.patch("/v1/users/me", json={"username": name}, headers=headers)
                for client, name in zip((one, other), names, strict=True)
            ),
        )
        assert [response.status_code for response in answers] == [200] * 8
        stored = await auth_database.fetch_value(
            "SELECT username FROM users WHERE id = $1::uuid", answer["user"]["id"]
        )
        assert stored in names
    assert await _count_deadlocks(auth_database) == before


async def test_six_refreshes_beside_a_deletion_are_all_answered(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    one, other = two_auths
    before = await _count_deadlocks(auth_database)
    for _ in range(ROUNDS):
        answer = await _signed_in(one)
        *refreshed, deleted = await asyncio.gather(
            *(refresh(client, answer["refresh_token"]) for client in (one, other) * 3),
            one.request(
                "DELETE",
                "/v1/users/me",
                json={"password": PASSWORD},
                headers=bearer(answer["access_token"]),
            ),
        )
        assert deleted.status_code == 204, deleted.text
        assert {response.status_code for response in refreshed} <= {200, 401}
        left = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid"
        assert await auth_database.fetch_value(left, answer["user"]["id"]) == 0
    assert await _count_deadlocks(auth_database) == before


@pytest.mark.long
async def test_six_refreshes_beside_a_change_of_address_are_all_answered(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    one, other = two_auths
    before = await _count_deadlocks(auth_database)
    for _ in range(ROUNDS):
        answer = await _signed_in(one)
        address = new_person().email
        headers = bearer(answer["access_token"])
        asked = await one.patch("/v1/users/me", json={"email": address}, headers=headers)
        assert asked.status_code == 200, asked.text
        token = await newest_token(one, address)
        *refreshed, changed = await asyncio.gather(
            *(refresh(client, answer["refresh_token"]) for client in (one, other) * 3),
            one.post("/v1/auth/email/verify", json={"token": token}),
        )
        assert (changed.status_code, changed.json()["user"]["email"]) == (200, address)
        assert [response.status_code for response in refreshed] == [200] * 6
    assert await _count_deadlocks(auth_database) == before
