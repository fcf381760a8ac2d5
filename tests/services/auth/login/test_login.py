"""Signing in with a password."""

import asyncio
import base64
import time

import bcrypt
import httpx
import pytest
from jose import jwt

from auth.models import Model
from tests.clients import CountingHasher, running
from tests.services.auth.auth_app import (
    PASSWORD,
    AuthDatabase,
    Person,
    bearer,
    log_in,
    make_app,
    new_person,
    register,
)


async def post(client: httpx.AsyncClient, login: str, password: str) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"login": login, "password": password})


async def test_login_answers_tokens_and_the_user(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    response = await post(auth, person.email, person.password)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    assert answer["user"]["username"] == person.username
    assert "argon2" not in response.text


async def test_login_by_email_or_username_in_any_case(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    for login in (person.email, person.email.upper(), person.username, person.username.upper()):
        assert (await post(auth, login, person.password)).status_code == 200


async def test_an_international_email_signs_in_regardless_of_case(auth: httpx.AsyncClient) -> None:
    person = await register(auth, Person(email="Jörg.Ölmühle@exämple.com", username="joerg"))
    assert (await post(auth, "jörg.ölmühle@EXÄMPLE.com", person.password)).status_code == 200
    again = await auth.post(
        "/v1/auth/register",
        json={"email": "JÖRG.ÖLMÜHLE@exämple.com", "username": "jorg2", "password": PASSWORD},
    )
    assert again.status_code == 201
    assert (await post(auth, "jorg2", PASSWORD)).status_code == 401


async def test_the_access_token_says_what_the_services_need(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    header = jwt.get_unverified_header(answer["access_token"])
    claims = jwt.get_unverified_claims(answer["access_token"])
    keys = (await auth.get("/.well-known/jwks.json")).json()["keys"]
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": keys[0]["kid"]}
    assert set(claims) == {
        *("iss", "sub", "aud", "client_id", "scope", "exp", "iat", "nbf", "jti", "sid", "auth_time"),
        *("email", "email_verified", "username", "roles"),
    }
    assert claims["iss"] == "http://localhost:5500"
    assert claims["aud"] == "quartet"
    assert claims["sub"] == answer["user"]["id"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims["iat"] - claims["nbf"] == 30
    assert abs(claims["auth_time"] - time.time()) < 60
    assert "openid" in claims["scope"].split()
    assert (claims["email"], claims["username"]) == (person.email, person.username)
    assert (claims["email_verified"], claims["roles"]) == (False, ["user"])


async def test_each_login_is_a_session_of_its_own(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answers = [await log_in(auth, person) for _ in range(3)]
    assert len({answer["refresh_token"] for answer in answers}) == 3
    sessions = {jwt.get_unverified_claims(answer["access_token"])["sid"] for answer in answers}
    rows = await auth_database.fetch(
        "SELECT id::text FROM sessions WHERE user_id = $1 AND ended_at IS NULL", answers[0]["user"]["id"]
    )
    assert {row["id"] for row in rows} == sessions


async def test_no_usable_token_is_stored(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    answer = await log_in(auth, await register(auth))
    stored = ""
    async with auth_database.connect() as connection:
        for table in Model.metadata.tables:
            # Binary columns come out in hexadecimal.
            rows = await connection.fetch(f'SELECT row_to_json(t)::text AS text FROM "{table}" t')  # noqa: S608 - our own tables
            stored += "".join(row["text"] for row in rows)
    assert answer["user"]["id"] in stored
    token = answer["refresh_token"].removeprefix("qrt1_")
    raw = base64.urlsafe_b64decode(token + "==")
    for secret in (token, raw.hex(), raw[-32:].hex(), answer["access_token"], PASSWORD):
        assert secret not in stored
    for pem in ("PRIVATE KEY", b"PRIVATE KEY".hex()):
        assert pem not in stored


async def test_unknown_wrong_disabled_and_passwordless_get_one_answer(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, disabled, other_way = [await register(auth) for _ in range(3)]
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", disabled.email)
    await auth_database.execute("UPDATE users SET password_hash = NULL WHERE email = $1", other_way.email)
    tries = {
        "unknown e-mail": (new_person().email, PASSWORD),
        "unknown username": (new_person().username, PASSWORD),
        "neither": ("no such @ thing", PASSWORD),
        "wrong": (person.email, "wrong password"),
        "disabled": (disabled.email, disabled.password),
        "no password": (other_way.email, other_way.password),
    }
    answers = {}
    for name, (login, password) in tries.items():
        response = await post(auth, login, password)
        problem = response.json()
        assert problem.pop("request_id") == response.headers["x-request-id"]
        answers[name] = (response.status_code, response.headers["www-authenticate"], problem)
    assert set(answers) == set(tries)
    assert all(answer == answers["wrong"] for answer in answers.values())
    assert answers["wrong"][0] == 401
    assert answers["wrong"][2]["type"] == "/problems/login-failed"
    count = "SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = ANY($1)"
    people = [person.email, disabled.email, other_way.email]
    assert await auth_database.fetch_value(count, people) == 0


async def test_a_bcrypt_hash_signs_in_and_is_upgraded(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    old = bcrypt.hashpw(person.password.encode(), bcrypt.gensalt(4)).decode()
    await auth_database.execute("UPDATE users SET password_hash = $1 WHERE email = $2", old, person.email)
    assert (await post(auth, person.email, "wrong password")).status_code == 401
    stored = "SELECT password_hash FROM users WHERE email = $1"
    assert await auth_database.fetch_value(stored, person.email) == old
    responses = await asyncio.gather(*(post(auth, person.email, person.password) for _ in range(8)))
    assert [response.status_code for response in responses] == [200] * 8
    assert (await auth_database.fetch_value(stored, person.email)).startswith("$argon2id$")
    await log_in(auth, person)


@pytest.mark.parametrize("stored", ["!", "", "plain text", "$2b$04$short", "$argon2id$v=19$broken"])
async def test_a_hash_that_nothing_fits_is_refused_like_a_wrong_password(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, stored: str
) -> None:
    person = await register(auth)
    await auth_database.execute("UPDATE users SET password_hash = $1 WHERE email = $2", stored, person.email)
    assert (await post(auth, person.email, person.password)).status_code == 401


async def test_a_bcrypt_hash_of_a_long_password_still_signs_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(
        auth, Person(email=new_person().email, username=new_person().username, password="long " * 20)
    )
    old = bcrypt.hashpw(person.password.encode()[:72], bcrypt.gensalt(4)).decode()
    await auth_database.execute("UPDATE users SET password_hash = $1 WHERE email = $2", old, person.email)
    await log_in(auth, person)
    shortened = person.password[:-1]  # the first 72 bytes are the same; the new hash knows the rest too
    assert (await post(auth, person.email, shortened)).status_code == 401
    await log_in(auth, person)


async def test_logins_write_events_without_personal_data(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    rows = await auth_database.fetch(
        "SELECT row_to_json(audit_events)::text AS text, event, session_id::text FROM audit_events WHERE user_id = $1"
        " ORDER BY at",
        answer["user"]["id"],
    )
    assert [row["event"] for row in rows] == ["register", "login"]
    assert rows[1]["session_id"] == jwt.get_unverified_claims(answer["access_token"])["sid"]
    assert not any(person.email in row["text"] or person.username in row["text"] for row in rows)


@pytest.mark.parametrize(
    "body",
    [
        {"login": "ada"},
        {"login": "ada", "password": "x", "remember": True},
        {"login": "ada\x00", "password": "x"},
        {"login": "a" * 321, "password": "x"},
        {"login": "ada", "password": "x" * 1025},
        {"login": ["ada"], "password": "x"},
        {"login": "ada", "password": ""},
    ],
)
async def test_a_login_of_another_shape_is_refused(auth: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await auth.post("/v1/auth/login", json=body)).status_code == 422


async def test_me_is_the_row_as_it_is_now(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    await auth_database.execute("UPDATE users SET roles = '{user,editor}' WHERE email = $1", person.email)
    response = await auth.get("/v1/users/me", headers=bearer(answer["access_token"]))
    assert response.status_code == 200
    assert response.json() == {**answer["user"], "roles": ["user", "editor"]}
    later = await log_in(auth, person)
    assert jwt.get_unverified_claims(later["access_token"])["roles"] == ["user", "editor"]


async def test_me_ends_with_the_account(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    for statement in (
        "UPDATE users SET disabled_at = now() WHERE email = $1",
        "DELETE FROM users WHERE email = $1",
    ):
        person = await register(auth)
        headers = bearer((await log_in(auth, person))["access_token"])
        assert (await auth.get("/v1/users/me", headers=headers)).status_code == 200
        await auth_database.execute(statement, person.email)
        response = await auth.get("/v1/users/me", headers=headers)
        assert response.status_code == 401
        assert response.json()["type"] == "/problems/session-ended"
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_me_needs_an_access_token(auth: httpx.AsyncClient) -> None:
    answer = await log_in(auth, await register(auth))
    for headers in ({}, bearer("nonsense"), bearer(answer["refresh_token"])):
        response = await auth.get("/v1/users/me", headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_every_failure_compares_one_hash(auth_database: AuthDatabase) -> None:
    hasher = CountingHasher()
    async with running(make_app(auth_database.settings, hasher=hasher)) as auth:
        person, disabled, other_way = [await register(auth) for _ in range(3)]
        await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", disabled.email)
        await auth_database.execute("UPDATE users SET password_hash = NULL WHERE email = $1", other_way.email)
        tries = [
            ("nobody-at-all@example.com", PASSWORD),
            ("nobody-at-all", PASSWORD),
            (person.email, "wrong password"),
            (disabled.email, disabled.password),
            (other_way.email, other_way.password),
        ]
        hasher.work()
        for login, password in tries:
            assert (await post(auth, login, password)).status_code == 401
            assert hasher.work() == (0, 1), login


@pytest.mark.parametrize("required", [False, True])
async def test_a_taken_email_costs_the_hash_of_a_new_one(auth_database: AuthDatabase, required: bool) -> None:
    hasher = CountingHasher()
    app = make_app(auth_database.settings, hasher=hasher, require_verified_email=required)
    async with running(app) as auth:
        person = await register(auth)
        hasher.work()
        for taken in ({}, {"email": person.email}):
            body = new_person().registration | taken
            assert (await auth.post("/v1/auth/register", json=body)).status_code == 201
            assert hasher.work() == (1, 0), taken
