"""Rotation of refresh tokens, and what ends a session."""

import asyncio
import base64
import secrets
from collections import Counter
from typing import Any
from uuid import UUID

import httpx
import pytest
from jose import jwt

from auth.sessions.refresh_tokens import PREFIX
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, refresh, register
from tests.services.auth.waiting import holding_account, queue

Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


def session_of(answer: dict[str, Any]) -> str:
    session: str = jwt.get_unverified_claims(answer["access_token"])["sid"]
    return session


async def begin(client: httpx.AsyncClient) -> dict[str, Any]:
    return await log_in(client, await register(client))


async def age(database: AuthDatabase, session: str, seconds: float) -> None:
    """Move the session's last rotation into the past."""
    await database.execute(
        "UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1",
        UUID(session),
        seconds,
    )


async def read_session(database: AuthDatabase, session: str) -> Any:
    return (await database.fetch("SELECT * FROM sessions WHERE id = $1", UUID(session)))[0]


def parts(token: str) -> bytes:
    encoded = token.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def spell(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_refresh_answers_a_new_pair_of_the_same_session(auth: httpx.AsyncClient) -> None:
    answer = await begin(auth)
    response = await refresh(auth, answer["refresh_token"])
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    pair = response.json()
    assert set(pair) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert pair["refresh_token"] != answer["refresh_token"]
    assert session_of(pair) == session_of(answer)
    before, after = (jwt.get_unverified_claims(each["access_token"]) for each in (answer, pair))
    assert before["jti"] != after["jti"]
    assert before["auth_time"] == after["auth_time"]
    me = await auth.get("/v1/users/me", headers=bearer(pair["access_token"]))
    assert me.json() == answer["user"]


async def test_a_chain_of_refreshes_lives_on(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    answer = await begin(auth)
    token = answer["refresh_token"]
    for counter in range(1, 6):
        response = await refresh(auth, token)
        assert response.status_code == 200
        token = response.json()["refresh_token"]
        assert (await read_session(auth_database, session_of(answer)))["refresh_token_counter"] == counter


async def test_a_refreshed_token_carries_new_roles(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    await auth_database.execute(
        "UPDATE users SET roles = '{user,admin}' WHERE id = $1", UUID(answer["user"]["id"])
    )
    pair = (await refresh(auth, answer["refresh_token"])).json()
    assert jwt.get_unverified_claims(pair["access_token"])["roles"] == ["user", "admin"]


async def test_a_token_just_rotated_gets_the_same_successor(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    first = (await refresh(auth, answer["refresh_token"])).json()
    await age(auth_database, session_of(answer), 9)
    again = await refresh(auth, answer["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first["refresh_token"]
    assert (await read_session(auth_database, session_of(answer)))["refresh_token_counter"] == 1
    assert (await refresh(auth, first["refresh_token"])).status_code == 200


async def test_fifty_refreshes_at_once_over_two_replicas_make_one_successor(
    two_auths: Pair, auth_database: AuthDatabase
) -> None:
    answer = await begin(two_auths[0])
    responses = await asyncio.gather(
        *(refresh(two_auths[number % 2], answer["refresh_token"]) for number in range(50))
    )
    assert Counter(response.status_code for response in responses) == {200: 50}
    successors = {response.json()["refresh_token"] for response in responses}
    assert len(successors) == 1
    row = await read_session(auth_database, session_of(answer))
    assert (row["refresh_token_counter"], row["ended_at"]) == (1, None)
    assert (await refresh(two_auths[1], successors.pop())).status_code == 200


async def test_rotated_token_reused_after_the_window_ends_the_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    pair = (await refresh(auth, answer["refresh_token"])).json()
    await age(auth_database, session_of(answer), 11)
    response = await refresh(auth, answer["refresh_token"])
    assert response.status_code == 401
    assert response.json()["type"] == "/problems/refresh-token-refused"
    row = await read_session(auth_database, session_of(answer))
    assert row["end_reason"] == "reuse"
    assert row["ended_at"] is not None
    assert (await refresh(auth, pair["refresh_token"])).status_code == 401
    me = await auth.get("/v1/users/me", headers=bearer(pair["access_token"]))
    assert me.json()["type"] == "/problems/session-ended"


async def test_rotated_token_reused_after_its_successor_was_used_ends_the_session(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    first = (await refresh(auth, answer["refresh_token"])).json()
    second = (await refresh(auth, first["refresh_token"])).json()
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["end_reason"] == "reuse"
    assert (await refresh(auth, second["refresh_token"])).status_code == 401


async def test_reuse_ends_only_that_session_and_writes_one_event(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answer, other = await log_in(auth, person), await log_in(auth, person)
    await refresh(auth, answer["refresh_token"])
    await age(auth_database, session_of(answer), 11)
    responses = await asyncio.gather(*(refresh(auth, answer["refresh_token"]) for _ in range(10)))
    assert {response.status_code for response in responses} == {401}
    events = await auth_database.fetch(
        "SELECT session_id::text FROM audit_events WHERE user_id = $1 AND event = 'refresh_token_reuse'",
        UUID(answer["user"]["id"]),
    )
    assert [row["session_id"] for row in events] == [session_of(answer)]
    assert (await refresh(auth, other["refresh_token"])).status_code == 200
    me = await auth.get("/v1/users/me", headers=bearer(other["access_token"]))
    assert me.status_code == 200


async def test_reuse_waits_for_a_change_of_the_account_and_holds_nothing_meanwhile(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    """A change of an account locks it, then ends its sessions; in the other order both would wait forever."""
    answer = await begin(auth)
    await refresh(auth, answer["refresh_token"])
    await age(auth_database, session_of(answer), 11)
    end = "UPDATE sessions SET ended_at = now(), end_reason = 'password_changed' WHERE id = $1"
    async with holding_account(auth_database, answer["user"]["id"]) as change:
        reuse = await queue(auth_database, refresh(auth, answer["refresh_token"]))
        assert not reuse.done()
        await change.execute("SET LOCAL lock_timeout = '5s'")
        await change.execute(end, UUID(session_of(answer)))
    assert (await reuse).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["end_reason"] == "password_changed"


async def test_a_forged_token_that_knows_the_session_ends_nothing(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    genuine = (await refresh(auth, answer["refresh_token"])).json()["refresh_token"]
    await age(auth_database, session_of(answer), 11)
    session = UUID(session_of(answer)).bytes
    for counter in (0, 1, 2, 2**32 - 1):
        number = counter.to_bytes(4, "big")
        for proof in (secrets.token_bytes(32), bytes(32), parts(genuine)[-32:]):
            if (counter, proof) != (1, parts(genuine)[-32:]):
                assert (await refresh(auth, spell(session + number + proof))).status_code == 401
    row = await read_session(auth_database, session_of(answer))
    assert (row["ended_at"], row["refresh_token_counter"]) == (None, 1)
    assert (await refresh(auth, genuine)).status_code == 200


async def test_what_is_no_refresh_token_is_refused(auth: httpx.AsyncClient) -> None:
    answer = await begin(auth)
    genuine = answer["refresh_token"]
    last = genuine[-1]
    other_spelling = genuine[:-1] + chr(ord(last) + 1)
    assert parts(other_spelling) == parts(genuine)
    for text in (
        "",
        "nonsense",
        PREFIX,
        genuine.removeprefix(PREFIX),
        genuine[:-2],
        genuine + "AA",
        genuine + "=",
        other_spelling,
        genuine.replace("_", "/", 1),
        PREFIX + "ä" * 70,
        answer["access_token"][:500],
        spell(bytes(16) + parts(genuine)[16:]),
    ):
        response = await refresh(auth, text)
        assert response.status_code == 401, text
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert (await refresh(auth, genuine)).status_code == 200


@pytest.mark.parametrize("body", [{}, {"refresh_token": 7}, {"refresh_token": "x", "scope": "openid"}])
async def test_a_refresh_of_another_shape_is_refused(auth: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await auth.post("/v1/auth/refresh", json=body)).status_code == 422


async def test_an_idle_session_is_over_after_thirty_days(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    row = await read_session(auth_database, session_of(answer))
    assert (row["expires_at"] - row["created_at"]).days == 30
    await auth_database.execute(
        "UPDATE sessions SET expires_at = now() WHERE id = $1", UUID(session_of(answer))
    )
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
    me = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 401


async def test_a_session_slides_but_never_past_ninety_days(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    session = UUID(session_of(answer))
    token = answer["refresh_token"]
    for age_days, left_days in ((20, 30), (59, 30), (75, 15), (89, 1)):
        await auth_database.execute(
            "UPDATE sessions SET created_at = now() - make_interval(days => $2) WHERE id = $1",
            session,
            age_days,
        )
        token = (await refresh(auth, token)).json()["refresh_token"]
        row = await read_session(auth_database, str(session))
        assert (row["expires_at"] - row["rotated_at"]).total_seconds() == pytest.approx(
            left_days * 86400, abs=60
        )


async def test_a_disabled_account_cannot_refresh(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    await auth_database.execute(
        "UPDATE users SET disabled_at = now() WHERE id = $1", UUID(answer["user"]["id"])
    )
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["refresh_token_counter"] == 0


async def log_out(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/auth/logout", json={"refresh_token": token})


async def test_logout_ends_the_session_at_once(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    answer, other = await log_in(auth, person), await log_in(auth, person)
    response = await log_out(auth, answer["refresh_token"])
    assert (response.status_code, response.content) == (204, b"")
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
    me = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["end_reason"] == "logout"
    assert (await refresh(auth, other["refresh_token"])).status_code == 200


async def test_logout_again_changes_nothing(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    answer = await begin(auth)
    responses = await asyncio.gather(*(log_out(auth, answer["refresh_token"]) for _ in range(10)))
    assert {response.status_code for response in responses} == {204}
    events = "SELECT count(*) FROM audit_events WHERE session_id = $1 AND event = 'logout'"
    assert await auth_database.fetch_value(events, UUID(session_of(answer))) == 1


async def test_a_rotated_token_can_still_log_out(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    pair = (await refresh(auth, answer["refresh_token"])).json()
    assert (await log_out(auth, answer["refresh_token"])).status_code == 204
    assert (await refresh(auth, pair["refresh_token"])).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["end_reason"] == "logout"


async def test_logout_wants_a_genuine_token(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    answer = await begin(auth)
    forged = spell(UUID(session_of(answer)).bytes + bytes(4) + secrets.token_bytes(32))
    for text in ("nonsense", forged):
        assert (await log_out(auth, text)).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["ended_at"] is None


async def test_refresh_and_logout_at_once_leave_no_live_token(
    two_auths: Pair, auth_database: AuthDatabase
) -> None:
    answer = await begin(two_auths[0])
    token = answer["refresh_token"]
    responses = await asyncio.gather(
        *(refresh(two_auths[number % 2], token) for number in range(10)),
        log_out(two_auths[0], token),
        *(refresh(two_auths[number % 2], token) for number in range(10)),
    )
    assert {response.status_code for response in responses} <= {200, 204, 401}
    for response in responses:
        if response.status_code == 200:
            assert (await refresh(two_auths[0], response.json()["refresh_token"])).status_code == 401
    assert (await read_session(auth_database, session_of(answer)))["end_reason"] == "logout"


async def test_deleting_the_account_deletes_its_sessions_and_keeps_its_history(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await begin(auth)
    user = UUID(answer["user"]["id"])
    await auth_database.execute("DELETE FROM users WHERE id = $1", user)
    assert await auth_database.fetch_value("SELECT count(*) FROM sessions WHERE user_id = $1", user) == 0
    assert await auth_database.fetch_value("SELECT count(*) FROM audit_events WHERE user_id = $1", user) == 2
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
