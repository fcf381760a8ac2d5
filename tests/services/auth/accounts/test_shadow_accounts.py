"""Where addresses have to be confirmed, nothing after a registration reveals whether its address was taken."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from auth.sessions.beginning import begin_session
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from dbcommon.engine import Database
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, new_person, register
from tests.services.auth.oidc.standard_client import Attempt
from webcommon.accounts.passwords import PasswordHasher

WRONG = "not the password"
PASSWORDS = ["first hollow lantern", "second hollow lantern", "third hollow lantern"]


class CountingHasher(PasswordHasher):
    """A quick hasher that counts its verifications."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, time_cost=1)
        self.verified = 0

    async def verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        self.verified += 1
        return await super().verify(password, password_hash)


@pytest.fixture(scope="module")
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture(scope="module")
async def auth(auth_database: AuthDatabase, hasher: CountingHasher) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(auth_database.settings, hasher=hasher, require_verified_email=True)
    async with running(app) as client:
        yield client


async def change(database: AuthDatabase, person: Person, values: str) -> None:
    await database.execute(f"UPDATE users SET {values} WHERE email = $1", person.email)  # noqa: S608 - our own words


async def confirmed(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    person = await register(auth)
    await change(database, person, "email_verified = true")
    return person


async def free(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    return new_person()


async def unverified(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    return await register(auth)


async def disabled(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    person = await confirmed(auth, database)
    await change(database, person, "disabled_at = now()")
    return person


async def disabled_unverified(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    person = await register(auth)
    await change(database, person, "disabled_at = now()")
    return person


async def passwordless(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    person = await confirmed(auth, database)
    await change(database, person, "password_hash = NULL")
    return person


async def reserved(auth: httpx.AsyncClient, database: AuthDatabase) -> Person:
    """The address is a previous one, reserved for its account."""
    person = await confirmed(auth, database)
    await database.execute(
        "INSERT INTO email_tokens (kind, user_id, token_hash, email, expires_at)"
        " SELECT 'revert_email', id, email, email, now() + interval '1 day' FROM users WHERE email = $1",
        person.email,
    )
    await change(database, person, f"email = '{new_person().email}'")
    return person


World = Callable[[httpx.AsyncClient, AuthDatabase], Awaitable[Person]]
WORLDS: list[World] = [
    free, confirmed, unverified, disabled, disabled_unverified, passwordless, reserved
]  # fmt: skip
every_world = pytest.mark.parametrize(
    "world",
    [free, confirmed, *(pytest.param(world, marks=pytest.mark.long) for world in WORLDS[2:])],
)


async def post(client: httpx.AsyncClient, login: str, password: str) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"login": login, "password": password})


async def statuses(client: httpx.AsyncClient, login: str, passwords: list[str]) -> list[int]:
    return [(await post(client, login, password)).status_code for password in passwords]


async def register_all(client: httpx.AsyncClient, email: str) -> list[Person]:
    """Several registrations of one address, one after the other."""
    people = [Person(email=email, username=new_person().username, password=each) for each in PASSWORDS]
    return [await register(client, person) for person in people]


@every_world
async def test_the_newest_password_of_an_address_and_each_of_a_username_signs_in_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    email = (await world(auth, auth_database)).email
    for number in range(1, 4):
        person = Person(email=email, username=new_person().username, password=PASSWORDS[number - 1])
        await register(auth, person)
        told = [403 if index == number else 401 for index in range(1, 4)]
        assert await statuses(auth, email.upper(), PASSWORDS) == told
        assert await statuses(auth, person.username.upper(), [person.password, WRONG]) == [403, 401]
    refused = await post(auth, email, PASSWORDS[2])
    assert refused.json()["type"] == "/problems/email-not-verified"


@every_world
async def test_an_earlier_registration_keeps_its_password_by_its_username(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    people = await register_all(auth, (await world(auth, auth_database)).email)
    for person in people:
        told = [403 if password == person.password else 401 for password in PASSWORDS]
        assert await statuses(auth, person.username, PASSWORDS) == told


@every_world
async def test_a_login_costs_the_same_hashes_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, hasher: CountingHasher, world: World
) -> None:
    holder = await world(auth, auth_database)
    person = Person(email=holder.email, username=new_person().username, password=PASSWORDS[0])

    async def count(login: str, password: str) -> int:
        before = hasher.verified
        assert (await post(auth, login, password)).status_code in {401, 403}
        return hasher.verified - before

    assert [await count(login, WRONG) for login in (person.email, person.username)] == [2, 1]
    await register(auth, person)
    for password in (WRONG, person.password):
        assert [await count(login, password) for login in (person.email, person.username)] == [2, 1]


@every_world
async def test_the_username_is_taken_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    holder = await world(auth, auth_database)
    person = await register(auth, Person(email=holder.email, username=new_person().username))
    for email in (person.email, new_person().email):
        body = {**person.registration, "email": email, "username": person.username.upper()}
        refused = await auth.post("/v1/auth/register", json=body)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/username-taken")
    other = await confirmed(auth, auth_database)
    token = (await log_in(auth, other))["access_token"]
    renamed = await auth.patch("/v1/users/me", headers=bearer(token), json={"username": person.username})
    assert (renamed.status_code, renamed.json()["type"]) == (409, "/problems/username-taken")


@every_world
async def test_twenty_identical_calls_at_once_are_one_registration_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    holder = await world(auth, auth_database)
    person = Person(email=holder.email, username=new_person().username)
    calls = (auth.post("/v1/auth/register", json=person.registration) for _ in range(20))
    assert Counter(answer.status_code for answer in await asyncio.gather(*calls)) == {201: 1, 409: 19}
    rows = await auth_database.fetch("SELECT FROM users WHERE username = $1", person.username)
    assert len(rows) == 1


@every_world
async def test_twenty_usernames_at_once_for_one_address_are_all_taken_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    holder = await world(auth, auth_database)
    names = [new_person().username for _ in range(20)]
    people = [Person(email=holder.email, username=name, password=PASSWORDS[0]) for name in names]
    calls = (auth.post("/v1/auth/register", json=person.registration) for person in people)
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {201}
    logins = (post(auth, person.username, person.password) for person in people)
    assert {answer.status_code for answer in await asyncio.gather(*logins)} == {403}
    assert (await post(auth, holder.email, people[0].password)).status_code == 403


@every_world
async def test_guesses_at_one_name_leave_the_others_as_they_are_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    holder = await world(auth, auth_database)
    people = await register_all(auth, holder.email)
    for login in (holder.username, people[0].username):
        assert await statuses(auth, login, [WRONG] * 11) == [401] * 10 + [429]
    assert (await post(auth, holder.email, PASSWORDS[2])).status_code == 403
    assert (await post(auth, people[2].username, PASSWORDS[2])).status_code == 403
    assert await statuses(auth, holder.email, [WRONG] * 11) == [401] * 10 + [429]
    assert (await post(auth, people[1].username, PASSWORDS[1])).status_code == 403


async def test_the_owner_signs_in_with_one_hash_whatever_was_registered(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, hasher: CountingHasher
) -> None:
    owner = await confirmed(auth, auth_database)
    await register_all(auth, owner.email)
    before = hasher.verified
    answer = await log_in(auth, owner)
    assert (hasher.verified - before, answer["user"]["username"]) == (1, owner.username)
    # A registration with the owner's own password signs in as the owner: the password cannot tell them apart.
    await register(auth, Person(email=owner.email, username=new_person().username))
    assert (await log_in(auth, owner))["user"]["username"] == owner.username


async def test_guesses_by_both_names_of_a_confirmed_account_count_together(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await confirmed(auth, auth_database)
    await register_all(auth, owner.email)
    assert await statuses(auth, owner.username, [WRONG] * 10) == [401] * 10
    assert await statuses(auth, owner.email, [owner.password, PASSWORDS[2]]) == [401, 403]


async def test_a_disabled_owner_gets_the_answer_to_a_wrong_password(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    for world in (disabled, disabled_unverified):
        owner = await world(auth, auth_database)
        assert await statuses(auth, owner.email, [owner.password, WRONG]) == [401, 401]
        assert await statuses(auth, owner.username, [owner.password]) == [401]


async def test_an_account_that_is_confirmed_later_signs_in(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    first, *_, last = await register_all(auth, new_person().email)
    await change(auth_database, first, "email_verified = true")
    await log_in(auth, first)
    assert (await post(auth, last.username, last.password)).status_code == 403


@pytest.mark.parametrize("changed", [{}, {"require_verified_email": True, "reveal_taken_email": True}])
async def test_a_shadow_account_opens_nothing_once_the_settings_are_changed(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, changed: dict[str, bool]
) -> None:
    owner = await confirmed(auth, auth_database)
    people = await register_all(auth, owner.email)
    hasher = CountingHasher()
    async with running(make_app(auth_database.settings, hasher=hasher, **changed)) as other:
        for login in (owner.email, people[2].username):
            before = hasher.verified
            refused = await post(other, login, PASSWORDS[2])
            assert (refused.status_code, refused.json()["type"]) == (401, "/problems/login-failed")
            assert hasher.verified - before == 1
        await log_in(other, owner)
        again = await other.post("/v1/auth/register", json={**people[2].registration})
        assert (again.status_code, again.json()["type"]) == (409, "/problems/username-taken")


async def test_no_session_begins_for_a_shadow_account(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    shadow = (await register_all(auth, (await confirmed(auth, auth_database)).email))[0]
    row = "SELECT id FROM users WHERE username = $1 AND shadow_of IS NOT NULL"
    user_id: UUID = await auth_database.fetch_value(row, shadow.username)
    database = Database(auth_database.settings, application_name="test")
    async with database.running():
        codec = RefreshTokenCodec(b"k" * 32)
        assert await begin_session(database, user_id, codec=codec, device=Device()) is None
    assert not await auth_database.fetch("SELECT FROM sessions WHERE user_id = $1", user_id)


async def test_the_username_is_free_when_the_holder_is_deleted(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await confirmed(auth, auth_database)
    shadow = (await register_all(auth, owner.email))[0]
    headers = bearer((await log_in(auth, owner))["access_token"])
    gone = await auth.request("DELETE", "/v1/users/me", headers=headers, json={"password": owner.password})
    assert gone.status_code == 204
    assert (await post(auth, shadow.username, shadow.password)).status_code == 401
    await register(auth, shadow)
    holder = "SELECT email FROM users WHERE username = $1"
    assert await auth_database.fetch_value(holder, shadow.username) == shadow.email


@pytest.mark.parametrize("world", [confirmed, reserved])
async def test_a_holder_deleted_during_registrations_leaves_no_shadow_account(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    owner = await world(auth, auth_database)
    people = [Person(email=owner.email, username=new_person().username) for _ in range(20)]
    async with auth_database.connect() as connection:
        deletion = connection.transaction()
        await deletion.start()
        await connection.execute("DELETE FROM users WHERE username = $1", owner.username)
        calls = [
            asyncio.create_task(auth.post("/v1/auth/register", json=person.registration)) for person in people
        ]
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with asyncio.timeout(60):
            while await auth_database.fetch_value(waiting) == 0:
                assert not any(call.done() and call.result().status_code >= 500 for call in calls)
        await deletion.commit()
    statuses_seen = {answer.status_code for answer in await asyncio.gather(*calls)}
    assert 201 in statuses_seen
    assert statuses_seen <= {201, 503}
    rows = await auth_database.fetch(
        "SELECT shadow_of = (SELECT id FROM users WHERE email = $1) AS is_of_holder FROM users"
        " WHERE shadow_email = $1",
        owner.email,
    )
    assert all(row["is_of_holder"] for row in rows)


async def test_administrators_see_no_shadow_account(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    administrator, owner = [await confirmed(auth, auth_database) for _ in range(2)]
    await change(auth_database, administrator, "roles = '{user,admin}'")
    headers = bearer((await log_in(auth, administrator))["access_token"])
    shadow = (await register_all(auth, owner.email))[0]
    user_id = await auth_database.fetch_value("SELECT id FROM users WHERE username = $1", shadow.username)
    for term in (shadow.username, "shadow.invalid"):
        found = await auth.get("/v1/admin/users", headers=headers, params={"q": term})
        assert found.json()["items"] == []
    path = f"/v1/admin/users/{user_id}"
    before = await auth_database.fetch("SELECT * FROM users WHERE id = $1", user_id)
    acts = [("POST", "/disable"), ("POST", "/enable"), ("DELETE", "/sessions"), ("DELETE", "/second-factor")]
    for method, route in [("GET", ""), *acts]:
        answer = await auth.request(method, path + route, headers=headers)
        assert answer.status_code == 404, route
    assert await auth_database.fetch("SELECT * FROM users WHERE id = $1", user_id) == before


async def test_only_the_holder_has_mails_and_events(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await confirmed(auth, auth_database)
    holder = await auth_database.fetch_value("SELECT id FROM users WHERE email = $1", owner.email)
    people = await register_all(auth, owner.email)
    for person in people:
        await statuses(auth, person.username, [person.password, WRONG])
    shadows = [
        row["id"] for row in await auth_database.fetch("SELECT id FROM users WHERE shadow_of = $1", holder)
    ]
    assert len(shadows) == len(people)
    for table in ("audit_events", "mails", "email_tokens"):
        found = f"SELECT FROM {table} WHERE user_id = ANY($1)"
        assert not await auth_database.fetch(found, shadows)
    assert not await auth_database.fetch("SELECT FROM mails WHERE recipient::text LIKE '%.invalid'")
    events = await auth_database.fetch(
        "SELECT event FROM audit_events WHERE user_id = $1 ORDER BY at", holder
    )
    assert [row["event"] for row in events] == ["register", *["register_taken_email"] * len(people)]
    kinds = await auth_database.fetch("SELECT DISTINCT kind FROM mails WHERE recipient = $1", owner.email)
    assert {row["kind"] for row in kinds} <= {"verify", "email_taken"}


@every_world
async def test_the_sign_in_page_answers_alike_in_every_world(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, world: World
) -> None:
    person = (await register_all(auth, (await world(auth, auth_database)).email))[2]
    for login in (person.email, person.username):
        page = await Attempt().sign_in(auth, person, login=login)
        assert page.status_code == 403
        assert "not confirmed" in page.text
        assert (await Attempt().sign_in(auth, person, login=login, password=WRONG)).status_code == 401


async def test_the_placeholder_address_is_random(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    people = await register_all(auth, (await confirmed(auth, auth_database)).email)
    names = [person.username for person in people]
    rows = await auth_database.fetch("SELECT email FROM users WHERE username::text = ANY($1)", names)
    placeholders = {row["email"].removesuffix("@shadow.invalid") for row in rows}
    assert len(placeholders) == len(people)
    assert {len(bytes.fromhex(each)) for each in placeholders} == {16}
