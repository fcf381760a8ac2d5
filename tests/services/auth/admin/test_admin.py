"""Administration of accounts, and the sweep."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from auth.worker import Sweeper
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, refresh, register
from tests.services.auth.mail.mails import mails_to
from tests.services.auth.second_factors.factors import age_sessions, ask, finish, new_app, problem

Headers = dict[str, str]


@pytest.fixture
async def headers(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> Headers:
    """Headers of a new administrator, whose token has the role `user` only."""
    answer = await log_in(auth, await register(auth))
    await auth_database.execute(
        "UPDATE users SET roles = '{user,admin}' WHERE id = $1", UUID(answer["user"]["id"])
    )
    return bearer(answer["access_token"])


async def test_the_role_is_checked_at_each_request(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, headers: Headers
) -> None:
    answer = await log_in(auth, await register(auth))
    user = answer["user"]["id"]
    calls = [
        ("GET", "/v1/admin/users"),
        ("GET", f"/v1/admin/users/{user}"),
        ("POST", f"/v1/admin/users/{user}/disable"),
        ("POST", f"/v1/admin/users/{user}/enable"),
        ("DELETE", f"/v1/admin/users/{user}/sessions"),
        ("DELETE", f"/v1/admin/users/{user}/second-factor"),
    ]
    for method, path in calls:
        assert (await auth.request(method, path)).status_code == 401
        denied = await auth.request(method, path, headers=bearer(answer["access_token"]))
        assert denied.status_code == 403
    assert (await auth.get("/v1/admin/users", headers=headers)).status_code == 200
    await auth_database.execute("UPDATE users SET roles = '{user}'")
    assert (await auth.get("/v1/admin/users", headers=headers)).status_code == 403


async def test_users_are_listed_in_pages_and_searched_by_a_part_of_their_names(
    auth: httpx.AsyncClient, headers: Headers
) -> None:
    people = [await register(auth) for _ in range(3)]
    seen: list[Any] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await auth.get("/v1/admin/users", headers=headers, params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({user["id"] for user in seen}) == len(seen)
    assert {person.email for person in people} <= {user["email"] for user in seen}
    assert "password" not in str(seen)
    for term in (people[0].email.upper(), people[0].username[1:].upper() + "@"):
        found = (await auth.get("/v1/admin/users", headers=headers, params={"q": term})).json()["items"]
        assert [user["email"] for user in found] == [people[0].email]
    for term in ("%", "_erson", "\\"):
        found = (await auth.get("/v1/admin/users", headers=headers, params={"q": term})).json()["items"]
        assert found == []
    for term in ("\x00", "x" * 255, ""):
        response = await auth.get("/v1/admin/users", headers=headers, params={"q": term})
        assert response.status_code == 422
    stranger = await auth.get(f"/v1/admin/users/{uuid4()}", headers=headers)
    assert stranger.status_code == 404


async def test_a_disabled_account_needs_to_be_enabled_and_to_sign_in_again(
    auth: httpx.AsyncClient, headers: Headers
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    path = f"/v1/admin/users/{answer['user']['id']}"
    for _ in range(2):
        disabled = await auth.post(f"{path}/disable", headers=headers)
        assert (disabled.status_code, disabled.json()["disabled_at"] is None) == (200, False)
    body = {"login": person.email, "password": person.password}
    assert (await auth.post("/v1/auth/login", json=body)).status_code == 401
    enabled = await auth.post(f"{path}/enable", headers=headers)
    assert (enabled.status_code, enabled.json()["disabled_at"]) == (200, None)
    assert (await refresh(auth, answer["refresh_token"])).status_code == 401
    me = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 401
    again = await log_in(auth, person)
    events = await auth.get("/v1/users/me/events", headers=bearer(again["access_token"]))
    told = [(event["event"], event["by_other"]) for event in events.json()["items"]]
    assert told.count(("account_disabled", True)) == told.count(("account_enabled", True)) == 1
    assert ("session_ended", True) in told


async def test_administrators_end_the_sessions_of_others_and_cannot_disable_themselves(
    auth: httpx.AsyncClient, headers: Headers
) -> None:
    person = await register(auth)
    answers = [await log_in(auth, person) for _ in range(3)]
    path = f"/v1/admin/users/{answers[0]['user']['id']}/sessions"
    assert (await auth.delete(path, headers=headers)).json() == {"ended": 3}
    assert (await auth.delete(path, headers=headers)).json() == {"ended": 0}
    for answer in answers:
        me = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
        assert me.status_code == 401
    own = (await auth.get("/v1/users/me", headers=headers)).json()["id"]
    assert (await auth.post(f"/v1/admin/users/{own}/disable", headers=headers)).status_code == 403
    unknown = await auth.delete(f"/v1/admin/users/{uuid4()}/sessions", headers=headers)
    assert unknown.status_code == 404


async def test_administrators_remove_the_second_factor_of_a_locked_out_owner(
    auth: httpx.AsyncClient, headers: Headers
) -> None:
    app = await new_app(auth)
    waiting = await ask(auth, app.person)
    path = f"/v1/admin/users/{app.user_id}/second-factor"
    for _ in range(2):
        assert (await auth.delete(path, headers=headers)).status_code == 204
    assert (await finish(auth, waiting, app.code())).status_code == 401
    answer = await log_in(auth, app.person)
    events = await auth.get("/v1/users/me/events", headers=bearer(answer["access_token"]))
    told = [(event["event"], event["by_other"]) for event in events.json()["items"]]
    assert told.count(("mfa_disabled", True)) == 1
    subjects = [mail["subject"] for mail in await mails_to(auth, app.person.email)]
    assert subjects.count("Signing in no longer asks for a code") == 1
    own = (await auth.get("/v1/users/me", headers=headers)).json()["id"]
    assert (await auth.delete(f"/v1/admin/users/{own}/second-factor", headers=headers)).status_code == 403
    unknown = await auth.delete(f"/v1/admin/users/{uuid4()}/second-factor", headers=headers)
    assert unknown.status_code == 404


async def test_removing_a_second_factor_needs_a_recent_sign_in_of_the_administrator(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    answer = await log_in(auth, await register(auth))
    administrator = answer["user"]["id"]
    await auth_database.execute("UPDATE users SET roles = '{user,admin}' WHERE id = $1::uuid", administrator)
    for seconds, status in ((601, 403), (570, 204)):
        await age_sessions(auth_database, administrator, seconds=seconds)
        answer = (await refresh(auth, answer["refresh_token"])).json()
        response = await auth.delete(
            f"/v1/admin/users/{app.user_id}/second-factor", headers=bearer(answer["access_token"])
        )
        assert response.status_code == status
        if status == 403:
            assert problem(response) == (403, "reauthentication-required")
            await ask(auth, app.person)


async def test_the_sweep_deletes_only_old_rows(auth_database: AuthDatabase) -> None:
    app = make_app(auth_database.settings)
    async with running(app) as client:
        person = await register(client)
        answers = [await log_in(client, person) for _ in range(3)]
        for answer in answers[:2]:
            await client.post("/v1/auth/logout", json={"refresh_token": answer["refresh_token"]})
        user = UUID(answers[0]["user"]["id"])
        await auth_database.execute(
            "UPDATE sessions SET ended_at = now() - interval '8 days' WHERE id ="
            " (SELECT id FROM sessions WHERE user_id = $1 ORDER BY id LIMIT 1)",
            user,
        )
        await auth_database.execute(
            "INSERT INTO revocations SELECT gen_random_uuid(), now() - interval '17 minutes'"
            " FROM generate_series(1, 2500)"
        )
        await app.component(Sweeper).sweep()
        left = "SELECT count(*) FROM sessions WHERE user_id = $1"
        assert await auth_database.fetch_value(left, user) == 2
        old = "SELECT count(*) FROM revocations WHERE ended_at < now() - interval '16 minutes'"
        assert await auth_database.fetch_value(old) == 0
        assert await auth_database.fetch_value("SELECT count(*) FROM revocations") >= 2
        me = await client.get("/v1/users/me", headers=bearer(answers[2]["access_token"]))
        assert me.status_code == 200
