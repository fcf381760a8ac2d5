"""Links in mails: set a new password."""

import asyncio

import httpx
import pytest

from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, new_person, refresh, register
from tests.services.auth.email_links.links import NEW_PASSWORD, assert_gone, change, forgot, reset, verify
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.second_factors.factors import new_app


async def test_a_reset_sets_the_password_once_ends_every_session_and_tells_the_owner(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    sessions = [await log_in(auth, person) for _ in range(2)]
    await forgot(auth, person.email)
    token = await newest_token(auth, person.email)
    response = await reset(auth, token)
    assert (response.status_code, response.content) == (204, b"")
    assert_gone(await reset(auth, token))
    for answer in sessions:
        assert (await refresh(auth, answer["refresh_token"])).status_code == 401
        me = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
        assert me.status_code == 401
    wrong = await auth.post("/v1/auth/login", json={"login": person.email, "password": person.password})
    assert wrong.status_code == 401
    await log_in(auth, Person(email=person.email, username=person.username, password=NEW_PASSWORD))
    assert (await mails_to(auth, person.email))[0]["subject"] == "Your password was reset"
    events = await auth_database.fetch(
        "SELECT event FROM audit_events JOIN users ON users.id = user_id WHERE email = $1", person.email
    )
    assert [row["event"] for row in events].count("password_reset") == 1


@pytest.mark.parametrize("password", ["1234567", "qwertyuiop", "x" * 129])
async def test_a_weak_new_password_is_refused_and_the_link_stays_valid(
    auth: httpx.AsyncClient, password: str
) -> None:
    person = await register(auth)
    await forgot(auth, person.email)
    token = await newest_token(auth, person.email)
    for weak in (password, f"--{person.username}--"):
        response = await reset(auth, token, weak)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "#/new_password"
        assert weak not in response.text
    # A user who signed up with Google never chose a username.
    assert f"holds the username ({person.username})" in response.json()["errors"][0]["detail"]
    assert (await reset(auth, token)).status_code == 204


async def test_of_twenty_concurrent_uses_of_a_token_one_succeeds(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    auth, _ = two_auths
    person = await register(auth)
    token = await newest_token(auth, person.email)
    answers = await asyncio.gather(*(verify(two_auths[n % 2], token) for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 19
    await forgot(auth, person.email)
    token = await newest_token(auth, person.email)
    answers = await asyncio.gather(
        *(reset(two_auths[n % 2], token, f"{NEW_PASSWORD} {n}") for n in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 19
    events = await auth_database.fetch(
        "SELECT event FROM audit_events JOIN users ON users.id = user_id WHERE email = $1", person.email
    )
    names = [row["event"] for row in events]
    assert (names.count("email_verified"), names.count("password_reset")) == (1, 1)


async def test_a_reset_voids_every_sign_in_method_of_the_maker_of_an_unverified_account(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    waiting = await new_app(auth)
    owner = Person(email=waiting.person.email, username=waiting.person.username, password=NEW_PASSWORD)
    await auth_database.execute(
        "INSERT INTO passkeys (user_id, credential_id, public_key, sign_count, name, transports)"
        " VALUES ($1, 'x', 'x', 0, 'waiting', '{}')",
        waiting.user_id,
    )
    await forgot(auth, owner.email)
    assert (await reset(auth, await newest_token(auth, owner.email))).status_code == 204
    credentials = {"login": owner.email, "password": NEW_PASSWORD}
    assert (await auth.post("/v1/auth/login", json=credentials)).json()["mfa_required"] is True
    counted = "SELECT count(*) FROM passkeys WHERE user_id = $1"
    assert await auth_database.fetch_value(counted, waiting.user_id) == 0
    rows = await auth_database.fetch("SELECT event FROM audit_events WHERE user_id = $1", waiting.user_id)
    assert {"password_voided", "passkey_removed", "password_reset"} < {row["event"] for row in rows}


@pytest.mark.parametrize("way", ["change", "reset"])
async def test_a_new_password_voids_a_pending_change_of_address(auth: httpx.AsyncClient, way: str) -> None:
    person, intruder = await register(auth), new_person()
    await change(auth, await log_in(auth, person), intruder.email)
    waiting = await newest_token(auth, intruder.email)
    await forgot(auth, person.email)
    link = await newest_token(auth, person.email)
    if way == "reset":
        assert (await reset(auth, link)).status_code == 204
    else:
        answer = await log_in(auth, person)
        body = {"current_password": person.password, "new_password": NEW_PASSWORD}
        response = await auth.post(
            "/v1/auth/password/change", json=body, headers=bearer(answer["access_token"])
        )
        assert response.status_code == 204
        assert_gone(await reset(auth, link))
    assert_gone(await verify(auth, waiting))
