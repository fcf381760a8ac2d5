"""Registering an account."""

import asyncio
import sys
import unicodedata
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from auth.main import create_app
from auth.settings import Settings
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, log_in, make_app, new_person, register
from webcommon.accounts.credentials import normalize_email


async def post(client: httpx.AsyncClient, body: object) -> httpx.Response:
    return await client.post("/v1/auth/register", json=body)


async def test_registering_makes_an_account(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = new_person()
    response = await post(auth, person.registration)
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/users/me"
    user = response.json()["user"]
    assert set(user) == {"id", "email", "username", "email_verified", "roles", "created_at", "updated_at"}
    assert (user["email"], user["username"], user["roles"]) == (person.email, person.username, ["user"])
    assert user["email_verified"] is False
    assert UUID(user["id"]).version == 7
    assert user["created_at"].endswith("Z")
    stored = await auth_database.fetch_value("SELECT id FROM users WHERE email = $1", person.email)
    assert str(stored) == user["id"]


async def test_a_password_is_stored_as_an_argon2id_hash_of_the_promised_cost(
    auth_database: AuthDatabase,
) -> None:
    person, settings = new_person(), Settings(database=auth_database.settings, secret=SecretStr("s" * 32))
    async with running(create_app(settings)) as auth:
        assert (await post(auth, person.registration)).status_code == 201
    statement = "SELECT password_hash FROM users WHERE email = $1"
    stored = await auth_database.fetch_value(statement, person.email)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_email_is_normalized(auth: httpx.AsyncClient) -> None:
    person = new_person()
    response = await post(auth, {**person.registration, "email": person.email.replace("example", "EXAMPLE")})
    assert response.json()["user"]["email"] == person.email


async def test_a_taken_username_is_refused_in_any_case(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, other = await register(auth), new_person()
    response = await post(auth, {**other.registration, "username": person.username.upper()})
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/username-taken"
    assert not await auth_database.fetch("SELECT FROM users WHERE email = $1", other.email)


async def test_a_taken_email_is_answered_like_a_new_one(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, other, third = await register(auth), new_person(), new_person()
    taken = await post(auth, {**other.registration, "email": person.email.upper()})
    free = await post(auth, third.registration)
    assert taken.status_code == free.status_code == 201
    varying = {"x-request-id", "content-length"}
    assert {name: value for name, value in taken.headers.items() if name not in varying} == {
        name: value for name, value in free.headers.items() if name not in varying
    }
    told, genuine = taken.json()["user"], free.json()["user"]
    assert list(told) == list(genuine)
    assert told["username"] == other.username
    assert UUID(told["id"]).version == UUID(genuine["id"]).version
    assert told["created_at"] == told["updated_at"]
    rows = await auth_database.fetch("SELECT id, username::text FROM users WHERE email = $1", person.email)
    assert [row["username"] for row in rows] == [person.username]
    assert str(rows[0]["id"]) != told["id"]
    assert not await auth_database.fetch("SELECT FROM users WHERE username = $1", other.username)


async def test_a_taken_email_costs_the_same_statements_and_leaves_an_event_for_its_owner(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    await post(auth, {**new_person().registration, "email": person.email})
    events = await auth_database.fetch(
        "SELECT event FROM audit_events JOIN users ON users.id = user_id WHERE email = $1 ORDER BY at",
        person.email,
    )
    assert [row["event"] for row in events] == ["register", "register_taken_email"]


async def test_the_password_of_a_taken_email_stays_what_it_was(auth: httpx.AsyncClient) -> None:
    person, other = await register(auth), new_person()
    password = "another long password"
    await post(auth, {"email": person.email, "username": other.username, "password": password})
    refused = await auth.post("/v1/auth/login", json={"login": person.email, "password": password})
    assert refused.status_code == 401
    await log_in(auth, person)


async def test_a_taken_email_is_refused_where_the_operator_chose_to(auth_database: AuthDatabase) -> None:
    async with running(make_app(auth_database.settings, reveal_taken_email=True)) as auth:
        person = await register(auth)
        response = await post(auth, {**new_person().registration, "email": person.email})
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/email-taken"


async def test_thirty_identical_calls_at_once_make_one_account(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    person = new_person()
    responses = await asyncio.gather(
        *(post(two_auths[number % 2], person.registration) for number in range(30))
    )
    assert {response.status_code for response in responses} <= {201, 409}
    assert sum(response.status_code == 201 for response in responses) == 1
    count = "SELECT count(*) FROM users WHERE email = $1 OR username = $2"
    assert await auth_database.fetch_value(count, person.email, person.username) == 1
    await log_in(two_auths[0], person)


async def test_one_email_under_thirty_usernames_at_once_makes_one_account_and_reveals_nothing(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient], auth_database: AuthDatabase
) -> None:
    email = new_person().email
    people = [Person(email=email, username=new_person().username) for _ in range(30)]
    responses = await asyncio.gather(
        *(post(two_auths[number % 2], person.registration) for number, person in enumerate(people))
    )
    assert {response.status_code for response in responses} == {201}
    assert await auth_database.fetch_value("SELECT count(*) FROM users WHERE email = $1", email) == 1
    names = [person.username for person in people]
    assert await auth_database.fetch_value("SELECT count(*) FROM users WHERE username = ANY($1)", names) == 1


@pytest.mark.parametrize(
    "email",
    ["", "nobody", "nobody@", "@example.com", "no body@example.com", "nobody@example", "a@b@example.com",
     "nobody@example.com\x00", "n\u0000body@example.com", f"{'n' * 250}@example.com", "nobody@exa_mple..com",
     "nobody\u0130@example.com", "nobodyI\u0307@example.com"],
)  # fmt: skip
async def test_an_invalid_email_is_refused(auth: httpx.AsyncClient, email: str) -> None:
    response = await post(auth, {**new_person().registration, "email": email})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/email"


async def test_no_two_emails_are_equal_to_the_database_alone(
    auth_database: AuthDatabase,
) -> None:
    letters = [chr(number) for number in range(1, sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    rows = await auth_database.fetch(
        "SELECT letter, lower(letter::citext) AS lowered FROM unnest($1::text[]) AS letter"
        " WHERE lower(letter::citext) <> letter",
        letters,
    )
    assert len(rows) > 1000
    unlike = [row["letter"] for row in rows if row["lowered"] != row["letter"].lower()]
    assert unlike, "U+0130 at least"
    for letter in unlike:
        with pytest.raises(ValueError, match="cannot be told"):
            normalize_email(f"{letter}da@example.com")


@pytest.mark.parametrize(
    "username", ["", "ab", "a" * 33, "a b c", "jürgen", "ann@home", "line\n", "\nline", "nul\x00", "a/b"]
)
async def test_a_username_of_other_characters_or_lengths_is_refused(
    auth: httpx.AsyncClient, username: str
) -> None:
    response = await post(auth, {**new_person().registration, "username": username})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/username"


@pytest.mark.parametrize("username", ["abc", "A.b_c-9", "z" * 32, "...", "123"])
async def test_every_username_of_the_allowed_characters_is_taken(
    auth: httpx.AsyncClient, username: str
) -> None:
    await register(auth, Person(email=new_person().email, username=username))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", "at least 8"),
        ("é" * 7, "at least 8"),
        ("e\u0301" * 7, "at least 8"),  # fourteen code points, seven characters after NFC
        ("x" * 129, "at most 128"),
        ("x" * 513, "String should have at most 512 characters"),
        ("qwertyuiop", "commonest"),
        ("PassWord1", "commonest"),
        ("iloveyou1", "commonest"),
        ("my name is Rumpel.Stiltskin!", "username"),
        ("rumpel.stiltskin", "username"),
        ("RUMPEL@EXAMPLE.COM", "e-mail"),
        ("--rumpel@example.com--", "e-mail"),
    ],
)
async def test_a_weak_password_is_refused_with_the_reason(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, password: str, reason: str
) -> None:
    person = Person(email="rumpel@example.com", username="Rumpel.Stiltskin", password=password)
    response = await post(auth, person.registration)
    assert response.status_code == 422
    problem = response.json()
    assert problem["type"] == "/problems/invalid-request"
    assert problem["errors"][0]["pointer"] == "#/password"
    assert reason in problem["errors"][0]["detail"]
    assert password not in response.text
    assert not await auth_database.fetch("SELECT FROM users WHERE email = $1", person.email)


@pytest.mark.parametrize(
    "password",
    ["hgtf5r4e", "y" * 128, "日本語のパスワードです", "🔑🔑🔑🔑🔑🔑🔑🔑", "        spaces        ", "e\u0301" * 128, "tab\tand\nline"],
)  # fmt: skip
async def test_every_unicode_password_of_fitting_length_signs_in(
    auth: httpx.AsyncClient, password: str
) -> None:
    person = new_person()
    await register(auth, Person(email=person.email, username=person.username, password=password))
    retyped = unicodedata.normalize("NFD", password)
    await log_in(auth, Person(email=person.email, username=person.username, password=retyped))


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["admin"]},
        {"email_verified": True},
        {"email": 7},
        {"password": None},
        {"password": ["x" * 9]},
    ],
)
async def test_unknown_fields_and_other_types_are_refused(
    auth: httpx.AsyncClient, change: dict[str, object]
) -> None:
    response = await post(auth, {**new_person().registration, **change})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"#/{next(iter(change))}"


@pytest.mark.parametrize("field", ["email", "username", "password"])
async def test_a_lone_surrogate_is_refused_and_not_echoed(auth: httpx.AsyncClient, field: str) -> None:
    body = '{"email": "surrogate@example.com", "username": "surrogate", "password": "seven quiet harbours"}'
    changed = body.replace(f'"{field}": "', f'"{field}": "\\ud800')
    response = await auth.post(
        "/v1/auth/register", content=changed, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert "harbours" not in response.text


@pytest.mark.parametrize("body", ["", "[]", "null", '"text"', "{", '{"email": }', "\x00"])
async def test_a_body_that_is_no_object_is_refused(auth: httpx.AsyncClient, body: str) -> None:
    response = await auth.post(
        "/v1/auth/register", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
