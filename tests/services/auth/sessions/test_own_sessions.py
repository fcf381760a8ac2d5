"""The current user's sessions, password, username, deletion and history."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from tests.clients import running
from tests.services.auth.auth_app import (
    PASSWORD,
    AuthDatabase,
    Person,
    bearer,
    log_in,
    make_app,
    new_person,
    refresh,
    register,
)

NEW_PASSWORD = "eight loud harbours"


def session_of(answer: dict[str, Any]) -> str:
    session: str = jwt.get_unverified_claims(answer["access_token"])["sid"]
    return session


async def list_sessions(client: httpx.AsyncClient, answer: dict[str, Any], **query: Any) -> dict[str, Any]:
    response = await client.get("/v1/auth/sessions", headers=bearer(answer["access_token"]), params=query)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def is_live(client: httpx.AsyncClient, answer: dict[str, Any]) -> bool:
    response = await client.get("/v1/auth/sessions", headers=bearer(answer["access_token"]))
    return response.status_code == 200


async def make_old(database: AuthDatabase, answer: dict[str, Any], client: httpx.AsyncClient) -> str:
    """An access token of the session, as of a sign-in more than ten minutes ago."""
    await database.execute(
        "UPDATE sessions SET created_at = created_at - interval '601 seconds' WHERE id = $1",
        UUID(session_of(answer)),
    )
    token: str = (await refresh(client, answer["refresh_token"])).json()["access_token"]
    return token


async def test_sessions_show_where_how_and_when_they_began(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    first = await log_in(auth, person)
    auth.headers["user-agent"] = "A browser " + "ä" * 600
    try:
        second = await log_in(auth, person)
    finally:
        auth.headers["user-agent"] = "tests"
    page = await list_sessions(auth, first)
    assert page["next_cursor"] is None
    newest, oldest = page["items"]
    assert set(newest) == {
        "id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "method", "current"
    }  # fmt: skip
    assert (newest["id"], newest["current"]) == (session_of(second), False)
    assert (oldest["id"], oldest["current"]) == (session_of(first), True)
    assert newest["ip"] == "127.0.0.1"
    assert newest["user_agent"].startswith("A browser ")
    assert len(newest["user_agent"]) <= 512
    assert newest["method"] == "password"
    assert newest["created_at"] == newest["last_used_at"] < newest["expires_at"]
    await refresh(auth, second["refresh_token"])
    newest = (await list_sessions(auth, first))["items"][0]
    assert newest["created_at"] < newest["last_used_at"]


async def test_sessions_come_in_pages(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    answers = [await log_in(auth, person) for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = await list_sessions(auth, answers[0], limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [session_of(answer) for answer in reversed(answers)]


async def test_the_address_behind_a_trusted_proxy_is_the_clients(auth_database: AuthDatabase) -> None:
    async with running(make_app(auth_database.settings, trusted_proxies="127.0.0.0/8")) as client:
        client.headers["x-forwarded-for"] = "203.0.113.5, 198.51.100.9"
        answer = await log_in(client, await register(client))
        assert (await list_sessions(client, answer))["items"][0]["ip"] == "198.51.100.9"
    async with running(make_app(auth_database.settings)) as client:
        client.headers["x-forwarded-for"] = "198.51.100.9"
        answer = await log_in(client, await register(client))
        assert (await list_sessions(client, answer))["items"][0]["ip"] == "127.0.0.1"


async def test_one_session_ends_and_the_others_do_not(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    mine, other = await log_in(auth, person), await log_in(auth, person)
    path = f"/v1/auth/sessions/{session_of(other)}"
    assert (await auth.delete(path, headers=bearer(mine["access_token"]))).status_code == 204
    assert not await is_live(auth, other)
    assert (await refresh(auth, other["refresh_token"])).status_code == 401
    assert await is_live(auth, mine)
    assert (await auth.delete(path, headers=bearer(mine["access_token"]))).status_code == 404


async def test_a_foreign_session_is_not_found_and_lives_on(auth: httpx.AsyncClient) -> None:
    mine, foreign = [await log_in(auth, await register(auth)) for _ in range(2)]
    for session in (session_of(foreign), str(uuid4())):
        response = await auth.delete(f"/v1/auth/sessions/{session}", headers=bearer(mine["access_token"]))
        assert response.status_code == 404
    assert await is_live(auth, foreign)


async def test_all_but_the_current_session_end(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    answers = [await log_in(auth, person) for _ in range(4)]
    response = await auth.delete("/v1/auth/sessions", headers=bearer(answers[0]["access_token"]))
    assert response.status_code == 204
    assert [await is_live(auth, answer) for answer in answers] == [True, False, False, False]


async def change(
    client: httpx.AsyncClient, token: str, *, old: str = PASSWORD, new: str = NEW_PASSWORD
) -> httpx.Response:
    body = {"current_password": old, "new_password": new}
    return await client.post("/v1/auth/password/change", json=body, headers=bearer(token))


async def test_a_changed_password_ends_every_other_session(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    mine, other = await log_in(auth, person), await log_in(auth, person)
    assert (await change(auth, mine["access_token"])).status_code == 204
    assert [await is_live(auth, mine), await is_live(auth, other)] == [True, False]
    old = await auth.post("/v1/auth/login", json={"login": person.email, "password": PASSWORD})
    assert old.status_code == 401
    await log_in(auth, Person(email=person.email, username=person.username, password=NEW_PASSWORD))


async def test_a_password_is_changed_only_after_a_recent_sign_in_with_the_right_one(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    wrong = await change(auth, answer["access_token"], old="nine other harbours")
    assert (wrong.status_code, wrong.json()["type"]) == (403, "/problems/password-wrong")
    for weak in ("short", "password1", f"x{person.username}x"):
        refused = await change(auth, answer["access_token"], new=weak)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "#/new_password"
    old = await change(auth, await make_old(auth_database, answer, auth))
    assert (old.status_code, old.json()["type"]) == (403, "/problems/reauthentication-required")
    await log_in(auth, person)


async def test_guessing_the_current_password_is_throttled(auth: httpx.AsyncClient) -> None:
    answer = await log_in(auth, await register(auth))
    responses = await asyncio.gather(
        *(change(auth, answer["access_token"], old=f"a wrong one {number}") for number in range(30))
    )
    statuses = [response.status_code for response in responses]
    assert statuses.count(403) <= 10
    assert set(statuses) == {403, 429}


async def test_twenty_changes_at_once_leave_one_password(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    person = await register(two_auths[0])
    answer = await log_in(two_auths[0], person)
    responses = await asyncio.gather(
        *(
            change(two_auths[number % 2], answer["access_token"], new=f"harbour number {number} of all")
            for number in range(8)
        )
    )
    statuses = [response.status_code for response in responses]
    assert statuses.count(204) == 1
    winner = statuses.index(204)
    person = Person(email=person.email, username=person.username, password=f"harbour number {winner} of all")
    await log_in(two_auths[1], person)


async def test_a_username_is_changed_and_stays_unique(
    auth: httpx.AsyncClient, two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    person, other = await register(auth), await register(auth)
    answer = await log_in(auth, person)
    headers = bearer(answer["access_token"])
    taken = await auth.patch("/v1/users/me", json={"username": other.username.upper()}, headers=headers)
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/username-taken")
    changed = await auth.patch("/v1/users/me", json={"username": person.username.upper()}, headers=headers)
    assert (changed.status_code, changed.json()["username"]) == (200, person.username.upper())
    assert (await auth.get("/v1/users/me", headers=headers)).json() == changed.json()
    assert (await auth.patch("/v1/users/me", json={"roles": ["admin"]}, headers=headers)).status_code == 422
    people = [await log_in(auth, await register(auth)) for _ in range(10)]
    wanted = new_person().username
    responses = await asyncio.gather(
        *(
            two_auths[number % 2].patch(
                "/v1/users/me", json={"username": wanted}, headers=bearer(each["access_token"])
            )
            for number, each in enumerate(people)
        )
    )
    assert sorted(response.status_code for response in responses) == [200] + [409] * 9


async def delete(client: httpx.AsyncClient, token: str, body: dict[str, Any]) -> httpx.Response:
    return await client.request("DELETE", "/v1/users/me", json=body, headers=bearer(token))


async def test_a_deleted_account_leaves_only_its_history(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    for body in ({"password": "nine other harbours"}, {}):
        assert (await delete(auth, answer["access_token"], body)).status_code == 403
    assert (await delete(auth, answer["access_token"], {"password": PASSWORD})).status_code == 204
    user = UUID(answer["user"]["id"])
    for table, column in (("users", "id"), ("sessions", "user_id"), ("oauth_accounts", "user_id")):
        statement = f"SELECT count(*) FROM {table} WHERE {column} = $1"  # noqa: S608 - names of this test
        assert await auth_database.fetch_value(statement, user) == 0
    events = await auth_database.fetch("SELECT event FROM audit_events WHERE user_id = $1 ORDER BY id", user)
    assert [row["event"] for row in events][-1] == "account_deleted"
    feed = (await auth.get("/v1/revocations")).json()["sessions"]
    assert session_of(answer) in feed
    assert not await is_live(auth, answer)
    login = await auth.post("/v1/auth/login", json={"login": person.email, "password": PASSWORD})
    assert login.status_code == 401
    await register(auth, person)


async def test_an_account_without_a_password_goes_after_a_recent_sign_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    answer = await log_in(auth, await register(auth))
    user = UUID(answer["user"]["id"])
    await auth_database.execute("UPDATE users SET password_hash = NULL WHERE id = $1", user)
    old = await delete(auth, await make_old(auth_database, answer, auth), {})
    assert old.json()["type"] == "/problems/reauthentication-required"
    assert (await delete(auth, answer["access_token"], {})).status_code == 204


async def test_history_is_the_owners_own_and_comes_in_pages(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    await change(auth, answer["access_token"])
    headers = bearer(answer["access_token"])
    seen, cursor = [], None
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await auth.get("/v1/users/me/events", headers=headers, params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [event["event"] for event in seen] == ["password_changed", "login", "register"]
    assert set(seen[0]) == {"id", "event", "session_id", "by_other", "at"}
    assert not any(event["by_other"] for event in seen)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users/me"),
        ("PATCH", "/v1/users/me"),
        ("DELETE", "/v1/users/me"),
        ("GET", "/v1/users/me/events"),
        ("GET", "/v1/auth/sessions"),
        ("DELETE", "/v1/auth/sessions"),
        ("DELETE", f"/v1/auth/sessions/{UUID(int=1)}"),
        ("POST", "/v1/auth/password/change"),
        ("GET", "/v1/admin/users"),
    ],
)
async def test_every_route_refuses_an_ended_session_at_once(
    auth: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await log_in(auth, await register(auth))
    await auth.post("/v1/auth/logout", json={"refresh_token": answer["refresh_token"]})
    bodies: dict[str, Any] = {
        "PATCH": {"username": "somebody"},
        "DELETE": {"password": PASSWORD} if path == "/v1/users/me" else None,
        "POST": {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
    }
    response = await auth.request(
        method, path, json=bodies.get(method), headers=bearer(answer["access_token"])
    )
    assert (response.status_code, response.json()["type"]) == (401, "/problems/session-ended")
