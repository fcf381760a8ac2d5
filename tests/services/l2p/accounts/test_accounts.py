"""Registration and sign-in with accounts of Learn2Play."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from passlib.hash import bcrypt

from l2p.main import create_app
from l2p.settings import Settings
from tests.clients import CountingHasher, running
from tests.services.l2p.players import Crowd, own_player
from tests.tokens import TokenMint

PASSWORD = "correct horse battery"


def account(**changed: Any) -> dict[str, Any]:
    name = f"u{uuid4().hex[:12]}"
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changed


async def register(client: httpx.AsyncClient, **changed: Any) -> dict[str, Any]:
    body = account(**changed)
    response = await client.post("/v1/auth/register", json=body)
    assert response.status_code == 201, response.text
    return body


async def log_in(client: httpx.AsyncClient, login: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"login": login, "password": password})


async def test_a_registered_account_is_a_player(client: httpx.AsyncClient) -> None:
    body = account()
    response = await client.post("/v1/auth/register", json=body)
    assert response.status_code == 201
    user = response.json()["user"]
    assert set(user) == {"id", "username", "email", "rating", "created_at"}
    assert (user["username"], user["email"], user["rating"]) == (body["username"], body["email"], 1500)
    player = own_player(client, await log_in(client, body["username"]))
    assert response.headers["Location"] == f"/v1/users/{player.id}"
    assert (await player.get("/v1/users/me")).json() == user


async def test_login_gives_a_bearer_token_and_no_refresh_token(client: httpx.AsyncClient) -> None:
    body = await register(client)
    response = await log_in(client, body["email"])
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "user"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 14_400)
    assert answer["user"]["username"] == body["username"]


async def test_an_account_of_learn2play_can_create_a_lobby(client: httpx.AsyncClient) -> None:
    body = await register(client)
    player = own_player(client, await log_in(client, body["username"]))
    lobby = await player.create()
    assert lobby["host_id"] == str(player.id)
    assert lobby["players"][0]["username"] == body["username"]


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase])
async def test_a_login_ignores_case(client: httpx.AsyncClient, change: Any) -> None:
    name = f"Mixed{uuid4().hex[:8]}Case"
    await register(client, username=name, email=f"{name}@Example.com")
    assert (await log_in(client, change(name))).status_code == 200
    assert (await log_in(client, change(f"{name}@example.com"))).status_code == 200


async def test_a_password_is_the_same_in_every_unicode_form(client: httpx.AsyncClient) -> None:
    body = await register(client, password="crème brûlée 🍮")
    assert (await log_in(client, body["username"], "cre\u0300me bru\u0302le\u0301e 🍮")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"username": "ab"}, "#/username"),
        ({"username": "a" * 33}, "#/username"),
        ({"username": "ada lovelace"}, "#/username"),
        ({"username": "ada\n"}, "#/username"),
        ({"username": "ädä"}, "#/username"),
        ({"email": "nobody"}, "#/email"),
        ({"email": "a@b"}, "#/email"),
        ({"email": "a\x00b@example.com"}, "#/email"),
        ({"password": "short12"}, "#/password"),
        ({"password": "x" * 129}, "#/password"),
        ({"password": "password1"}, "#/password"),
        ({"password": "QWERTYUIOP"}, "#/password"),
        ({"username": "grace-hopper", "password": "GRACE-HOPPER!"}, "#/password"),
        ({"email": "gh@example.com", "password": "my gh@example.com"}, "#/password"),
        ({"rating": 3000}, "#/rating"),
    ],
)
async def test_an_invalid_field_is_refused_with_its_pointer(
    client: httpx.AsyncClient, changed: dict[str, Any], pointer: str
) -> None:
    response = await client.post("/v1/auth/register", json=account(**changed))
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert changed.get("password", PASSWORD) not in response.text


async def test_half_a_surrogate_pair_is_refused_in_every_field(client: httpx.AsyncClient) -> None:
    text = '{"username": "surrogate", "email": "s@example.com", "password": "\\ud800 and more"}'
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/auth/register", content=text, headers=headers)
    assert response.status_code == 422
    text = '{"login": "nobody", "password": "\\ud800"}'
    assert (await client.post("/v1/auth/login", content=text, headers=headers)).status_code == 422


@pytest.mark.parametrize("password", ["a" * 128, "pass\tword\u0000!", "密码密码密码密码", "        "])
async def test_every_character_may_be_in_a_password(client: httpx.AsyncClient, password: str) -> None:
    body = await register(client, password=password)
    assert (await log_in(client, body["username"], password)).status_code == 200
    assert (await log_in(client, body["username"], f"{password}x")).status_code == 401


async def test_a_taken_username_is_refused(client: httpx.AsyncClient) -> None:
    body = await register(client)
    response = await client.post("/v1/auth/register", json=account(username=body["username"].upper()))
    assert (response.status_code, response.json()["type"]) == (409, "/problems/username-taken")


async def test_a_taken_email_gets_the_response_of_a_free_one(
    client: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    body = await register(client)
    second = account(email=body["email"].upper(), password="another good password")
    response = await client.post("/v1/auth/register", json=second)
    free = await client.post("/v1/auth/register", json=account())
    assert response.status_code == free.status_code == 201
    assert set(response.json()["user"]) == set(free.json()["user"])
    assert set(response.headers) == set(free.headers)
    assert response.json()["user"]["username"] == second["username"]
    assert await sql.fetchval("SELECT count(*) FROM users WHERE email = $1", body["email"]) == 1
    assert (await log_in(client, second["username"], second["password"])).status_code == 401
    assert (await log_in(client, body["email"])).status_code == 200


async def test_a_taken_email_is_refused_with_reveal_taken_email(settings: Settings, mint: TokenMint) -> None:
    telling = settings.model_copy(update={"reveal_taken_email": True})
    async with running(create_app(telling, issuers=[mint.issuer])) as client:
        body = await register(client)
        response = await client.post("/v1/auth/register", json=account(email=body["email"]))
        assert (response.status_code, response.json()["type"]) == (409, "/problems/email-taken")


async def test_thirty_identical_registrations_make_one_account(
    client: httpx.AsyncClient, replica: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    body = account()
    calls = [(client, replica)[turn % 2].post("/v1/auth/register", json=body) for turn in range(30)]
    statuses = Counter(response.status_code for response in await asyncio.gather(*calls))
    assert statuses == {201: 1, 409: 29}
    assert await sql.fetchval("SELECT count(*) FROM users WHERE username = $1", body["username"]) == 1


async def test_thirty_registrations_of_one_username_make_one_account(
    client: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    name = f"wanted-{uuid4().hex[:8]}"
    responses = await asyncio.gather(
        *(client.post("/v1/auth/register", json=account(username=name)) for _ in range(30))
    )
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 29}
    winner = next(response.json()["user"] for response in responses if response.status_code == 201)
    assert await sql.fetchval("SELECT email FROM users WHERE username = $1", name) == winner["email"]


async def test_unknown_wrong_and_passwordless_logins_get_one_response(
    client: httpx.AsyncClient, crowd: Crowd
) -> None:
    body = await register(client)
    guest = crowd.player(username="no-password-here")
    assert (await guest.get("/v1/users/me")).status_code == 200
    answers = [
        await log_in(client, f"nobody-{uuid4().hex}"),
        await log_in(client, body["username"], "a wrong password"),
        await log_in(client, "no-password-here"),
        await log_in(client, "no address @ at all"),
    ]
    documents = []
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        documents.append(answer.json() | {"request_id": None})
    assert documents == [documents[0]] * len(documents)
    assert documents[0]["type"] == "/problems/login-failed"


async def test_an_unknown_login_costs_one_hash_like_a_wrong_password(
    settings: Settings, mint: TokenMint
) -> None:
    hasher = CountingHasher()
    async with running(create_app(settings, issuers=[mint.issuer], hasher=hasher)) as client:
        known = (await register(client))["username"]
        hasher.work()
        for login in ("nobody-at-all", "nobody@example.com", known):
            assert (await log_in(client, login, "a wrong password")).status_code == 401
            assert hasher.work() == (0, 1), login


async def test_an_old_hash_is_upgraded_at_login(
    client: httpx.AsyncClient, sql: "asyncpg.Connection[Any]"
) -> None:
    body = await register(client)
    await sql.execute(
        "UPDATE users SET password_hash = $1 WHERE username = $2",
        bcrypt.using(rounds=4).hash(PASSWORD),
        body["username"],
    )
    assert (await log_in(client, body["username"])).status_code == 200
    stored = await sql.fetchval("SELECT password_hash FROM users WHERE username = $1", body["username"])
    assert stored.startswith("$argon2id$")
    assert (await log_in(client, body["username"])).status_code == 200


async def test_no_response_contains_a_hash(client: httpx.AsyncClient) -> None:
    body = account()
    registered = await client.post("/v1/auth/register", json=body)
    logged_in = await log_in(client, body["username"])
    player = own_player(client, logged_in)
    answers = [
        registered,
        logged_in,
        await player.get("/v1/users/me"),
        await player.get(f"/v1/users/{player.id}"),
    ]
    for answer in answers:
        assert answer.is_success
        assert "argon2" not in answer.text
        assert "password" not in answer.text
