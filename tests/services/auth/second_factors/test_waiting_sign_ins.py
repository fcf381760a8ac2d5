"""Sign-ins that wait for a code: what voids them, and when they expire."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, make_app, register
from tests.services.auth.mail.mails import eventually, mails_to, newest_token
from tests.services.auth.second_factors.factors import (
    App,
    TwoAuths,
    ask,
    delete_account,
    finish,
    new_app,
    problem,
)

Change = Callable[[httpx.AsyncClient, App, AuthDatabase], Awaitable[None]]


async def test_devices_of_before_a_second_factor_are_strangers_to_it(auth: httpx.AsyncClient) -> None:
    """An attacker with the password collects devices beforehand: each would allow ten more codes."""
    person = await register(auth)
    cookies = []
    for _ in range(8):
        auth.cookies.clear()
        answer = await auth.post("/v1/auth/login", json={"login": person.email, "password": person.password})
        cookies.append(answer.headers["set-cookie"].partition(";")[0])
    app = await new_app(auth, person)
    token = await ask(auth, person)
    auth.cookies.clear()
    guesses = [
        (await finish(auth, token, "AAAA-AAAA-AAAA", headers={"Cookie": cookie})).status_code
        for cookie in cookies
        for _ in range(3)
    ]
    assert guesses == [401] * 10 + [429] * 14
    assert problem(await finish(auth, token, app.code())) == (429, "too-many-attempts")


async def test_no_sign_in_with_the_old_password_outlives_its_change(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    for _ in range(5):
        app = await new_app(two_auths[0])
        body = {"login": app.person.email, "password": app.person.password}
        logins = (two_auths[number % 2].post("/v1/auth/login", json=body) for number in range(8))
        answers, _ = await asyncio.gather(
            asyncio.gather(*logins), change_password(two_auths[0], app, auth_database)
        )
        assert {answer.status_code for answer in answers} <= {200, 401}
        for answer in answers:
            if answer.status_code == 200:
                late = await finish(two_auths[0], answer.json()["mfa_token"], app.code())
                assert problem(late) == (401, "login-expired")


async def test_a_token_is_good_for_five_minutes(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    length = await auth_database.fetch_value(
        "SELECT expires_at - created_at FROM login_challenges WHERE user_id = $1::uuid", app.user_id
    )
    assert length.total_seconds() == 300
    await auth_database.execute("UPDATE login_challenges SET created_at = created_at - interval '1 hour'")
    await auth_database.execute("UPDATE login_challenges SET expires_at = now()")
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")


async def change_password(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    body = {"current_password": app.person.password, "new_password": "another quiet harbour"}
    response = await client.post("/v1/auth/password/change", json=body, headers=app.headers)
    assert response.status_code == 204, response.text


async def reset_password(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (
        await client.post("/v1/auth/password/forgot", json={"email": app.person.email})
    ).status_code == 202

    async def arrived() -> bool:
        return "new password" in (await mails_to(client, app.person.email))[0]["subject"]

    await eventually(arrived)
    token = await newest_token(client, app.person.email)
    body = {"token": token, "new_password": "another quiet harbour"}
    assert (await client.post("/v1/auth/password/reset", json=body)).status_code == 204


async def disable(client: httpx.AsyncClient, app: App, database: AuthDatabase) -> None:
    await database.execute("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", app.user_id)


async def remove_app(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (await client.delete("/v1/mfa/totp", headers=app.headers)).status_code == 204


async def end_other_sessions(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    assert (await client.delete("/v1/auth/sessions", headers=app.headers)).status_code == 204


@pytest.mark.parametrize(
    "change", [change_password, reset_password, disable, remove_app, end_other_sessions, delete_account]
)
async def test_a_change_voids_sign_ins_that_wait_for_a_code(
    auth: httpx.AsyncClient,
    auth_database: AuthDatabase,
    change: Change,
) -> None:
    app = await new_app(auth)
    token = await ask(auth, app.person)
    await change(auth, app, auth_database)
    assert problem(await finish(auth, token, app.code())) == (401, "login-expired")


async def test_a_password_reset_ends_every_session_and_the_code_is_still_asked_for(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    app = await new_app(auth)
    await reset_password(auth, app, auth_database)
    assert (await auth.get("/v1/users/me", headers=app.headers)).status_code == 401
    changed = Person(email=app.person.email, username=app.person.username, password="another quiet harbour")
    token = await ask(auth, changed)
    assert (await finish(auth, token, app.code())).status_code == 200


async def test_old_challenges_are_swept(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    app = await new_app(auth)
    await ask(auth, app.person)
    await auth_database.execute("UPDATE login_challenges SET created_at = created_at - interval '1 hour'")
    await auth_database.execute("UPDATE login_challenges SET expires_at = now()")
    fresh = await new_app(auth)
    token = await ask(auth, fresh.person)
    async with running(make_app(auth_database.settings, sweep_seconds=0.1)):

        async def swept() -> bool:
            return bool(await auth_database.fetch_value("SELECT count(*) = 1 FROM login_challenges"))

        await eventually(swept)
    assert (await finish(auth, token, fresh.code())).status_code == 200
