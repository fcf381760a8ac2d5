"""Which account a Google account signs in to: every rule, and concurrent sign-ins."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from auth.google.service import GoogleSignIn
from standins.openid_provider.provider import Person, Provider
from tests.services.auth.auth_app import PASSWORD, AuthDatabase, bearer, log_in, new_person, refresh, register
from tests.services.auth.auth_app import Person as LocalPerson
from tests.services.auth.google.visits import APP, Browser, answer_of, somebody
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.second_factors.factors import ask, finish, new_app
from webcommon.app.service import Service


async def confirm(client: httpx.AsyncClient, email: str) -> None:
    token = await newest_token(client, email)
    assert (await client.post("/v1/auth/email/verify", json={"token": token})).status_code == 200


async def links_of(database: AuthDatabase, email: str) -> list[str]:
    rows = await database.fetch(
        "SELECT provider_account_id FROM oauth_accounts o JOIN users u ON u.id = o.user_id WHERE u.email = $1",
        email,
    )
    return [row["provider_account_id"] for row in rows]


async def test_a_linked_google_account_signs_in_although_the_addresses_changed(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    user = (await browser.sign_in(person))["user"]
    other = await register(browser.client)
    await confirm(browser.client, other.email)
    # The address at Google is another's here by now, or is no longer verified: the subject alone counts.
    for changed in (other.email, "somewhere.else@example.com", None):
        provider.add(Person(subject=person.subject, email=changed, email_verified=False))
        again = (await browser.sign_in(person))["user"]
        assert (again["id"], again["email"]) == (user["id"], person.email)
    assert await links_of(auth_database, other.email) == []


async def test_a_verified_address_is_linked_to_the_account_with_that_verified_address(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    local = await register(browser.client)
    await confirm(browser.client, local.email)
    before = await log_in(browser.client, local)
    person = somebody(provider, email=local.email.upper().replace("EXAMPLE.COM", "example.com"))
    answer = await browser.sign_in(person)
    assert answer["user"]["id"] == before["user"]["id"]
    assert await links_of(auth_database, local.email) == [person.subject]
    # Nothing was taken from it: the password and the sessions are those of the address's owner.
    await log_in(browser.client, local)
    assert (await refresh(browser.client, before["refresh_token"])).status_code == 200
    newest = (await mails_to(browser.client, local.email))[0]
    assert newest["subject"] == "You can sign in with Google now"


async def test_an_unverified_account_loses_its_sign_in_methods_before_it_is_linked(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    """A stranger waits for the address's owner with a password, a session and more."""
    local = await register(browser.client)
    stranger = await log_in(browser.client, local)
    stale_link = await newest_token(browser.client, local.email)
    user = UUID(stranger["user"]["id"])
    changed = await browser.client.patch(
        "/v1/users/me",
        json={"email": "strangers.own@example.com"},
        headers=bearer(stranger["access_token"]),
    )
    assert changed.status_code == 200
    to_the_stranger = await newest_token(browser.client, "strangers.own@example.com")
    await plant_other_sign_in_methods(auth_database, user)
    owner = somebody(provider, email=local.email)
    answer = await browser.sign_in(owner)
    assert answer["user"]["id"] == stranger["user"]["id"]
    assert answer["user"]["email_verified"] is True
    # None of the stranger's sign-in methods is left.
    login = {"login": local.email, "password": PASSWORD}
    assert (await browser.client.post("/v1/auth/login", json=login)).status_code == 401
    assert (await refresh(browser.client, stranger["refresh_token"])).status_code == 401
    headers = bearer(stranger["access_token"])
    assert (await browser.client.get("/v1/auth/sessions", headers=headers)).status_code == 401
    for token in (to_the_stranger, stale_link):
        assert (await browser.client.post("/v1/auth/email/verify", json={"token": token})).status_code == 410
    assert await links_of(auth_database, local.email) == [owner.subject]
    for table in ("passkeys", "totp_secrets", "login_challenges", "email_tokens"):
        statement = f"SELECT count(*) FROM {table} WHERE user_id = $1"  # noqa: S608 - names of this test
        assert await auth_database.fetch_value(statement, user) == 0, table
    ended = "SELECT DISTINCT end_reason FROM sessions WHERE user_id = $1 AND ended_at IS NOT NULL"
    assert await auth_database.fetch_value(ended, user) == "account_linked"
    assert await live_sessions(auth_database, user) == 1


async def plant_other_sign_in_methods(database: AuthDatabase, user: UUID) -> None:
    await database.execute(
        "INSERT INTO passkeys (user_id, credential_id, public_key, sign_count, transports, name)"
        " VALUES ($1, $2, '\\x01', 0, '{}', 'key')",
        user,
        user.bytes,
    )
    await database.execute("INSERT INTO totp_secrets (user_id, secret) VALUES ($1, '\\x01')", user)
    await database.execute(
        "INSERT INTO oauth_accounts (user_id, provider, provider_account_id) VALUES ($1, 'google', $2)",
        user,
        f"strangers-{user}",
    )
    await database.execute(
        "INSERT INTO login_challenges (token_hash, user_id, amr, client_id, scope, expires_at)"
        " VALUES ($1, $2, 'password', 'quartet', 'openid', now() + interval '5 minutes')",
        str(user),
        user,
    )


async def live_sessions(database: AuthDatabase, user: UUID) -> int:
    statement = "SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL"
    return int(await database.fetch_value(statement, user))


@pytest.mark.parametrize("there", ["free", "unverified", "verified"])
async def test_an_address_that_google_has_not_verified_is_never_linked(
    browser: Browser, provider: Provider, auth_database: AuthDatabase, there: str
) -> None:
    local = new_person()
    if there != "free":
        await register(browser.client, local)
    if there == "verified":
        await confirm(browser.client, local.email)
    person = somebody(provider, email=local.email, verified=False)
    assert await browser.visit(person) == f"{APP}?error=email_unverified"
    assert await links_of(auth_database, local.email) == []
    count = await auth_database.fetch_value("SELECT count(*) FROM users WHERE email = $1", local.email)
    assert count == (0 if there == "free" else 1)
    if there != "free":
        await log_in(browser.client, local)


@pytest.mark.parametrize("email", [None, "no address", "two@at@example.com", "nul\x00@example.com"])
async def test_without_a_usable_address_there_is_no_account(
    browser: Browser, provider: Provider, email: str | None
) -> None:
    assert await browser.visit(somebody(provider, email=email)) == f"{APP}?error=email_unverified"


async def test_an_address_with_a_confusable_letter_is_not_linked(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    local = await register(browser.client, replace(new_person(), email="mike@example.com"))
    await confirm(browser.client, local.email)
    stranger = somebody(provider, email="m\u0130ke@example.com")
    assert await browser.visit(stranger) == f"{APP}?error=email_unverified"
    assert await links_of(auth_database, local.email) == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_disabled_account_is_refused_and_not_linked(
    browser: Browser, provider: Provider, auth_database: AuthDatabase, known: bool
) -> None:
    if known:
        person = somebody(provider)
        await browser.sign_in(person)
    else:
        local = await register(browser.client)
        await confirm(browser.client, local.email)
        person = somebody(provider, email=local.email)
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", person.email)
    assert await browser.visit(person) == f"{APP}?error=sign_in_refused"
    assert len(await links_of(auth_database, str(person.email))) == int(known)


async def test_an_account_that_is_disabled_after_the_callback_gets_no_tokens(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    await browser.sign_in(person)
    code = (await browser.visit_for(person))["code"]
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", person.email)
    assert (await browser.exchange(code)).status_code == 410


async def test_a_reserved_address_is_refused(browser: Browser, provider: Provider) -> None:
    local = await register(browser.client)
    await confirm(browser.client, local.email)
    answer = await log_in(browser.client, local)
    new_address = f"moved.{local.email}"
    moved = await browser.client.patch(
        "/v1/users/me", json={"email": new_address}, headers=bearer(answer["access_token"])
    )
    assert moved.status_code == 200
    await confirm(browser.client, new_address)
    person = somebody(provider, email=local.email)
    assert await browser.visit(person) == f"{APP}?error=email_reserved"


async def test_deleting_an_account_deletes_its_link(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    answer = await browser.sign_in(person)
    deleted = await browser.client.request(
        "DELETE", "/v1/users/me", json={}, headers=bearer(answer["access_token"])
    )
    assert deleted.status_code == 204
    statement = "SELECT count(*) FROM oauth_accounts WHERE provider_account_id = $1"
    assert await auth_database.fetch_value(statement, person.subject) == 0
    again = await browser.sign_in(person)
    assert again["user"]["id"] != answer["user"]["id"]


async def test_an_account_made_by_google_can_set_a_password(browser: Browser, provider: Provider) -> None:
    person = somebody(provider)
    await browser.sign_in(person)
    email = str(person.email)
    login = {"login": email, "password": "nine new harbours"}
    assert (await browser.client.post("/v1/auth/login", json=login)).status_code == 401
    await browser.client.post("/v1/auth/password/forgot", json={"email": email})
    token = await newest_token(browser.client, email)
    body = {"token": token, "new_password": "nine new harbours"}
    assert (await browser.client.post("/v1/auth/password/reset", json=body)).status_code == 204
    assert (await browser.client.post("/v1/auth/login", json=login)).status_code == 200
    await browser.sign_in(person)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Grace Hopper", "grace.hopper"),
        ("Ærøskøbing Ünïcode", "rskbing.unicode"),
        ("孔子", "email.part"),
        ("<script>alert(1)</script>", "script.alert.1.script"),
        ("Z" * 300, "z" * 32),
        ("Al", ""),
    ],
)
async def test_a_username_is_made_of_the_name_or_the_address(
    browser: Browser, provider: Provider, name: str, expected: str
) -> None:
    first = somebody(
        provider, email=f"email.part@{len(name)}{sum(map(ord, name)) % 999}.example.com", name=name
    )
    username = (await browser.sign_in(first))["user"]["username"]
    assert username.startswith(expected[:27])
    second = somebody(provider, name=name)
    assert (await browser.sign_in(second))["user"]["username"].lower() != username.lower()


async def both_returns(browsers: list[Browser], people: list[Person]) -> list[dict[str, str]]:
    ways = [
        await browser.choose(await browser.begin(), person)
        for browser, person in zip(browsers, people, strict=True)
    ]
    responses = await asyncio.gather(
        *(browser.come_back(way) for browser, way in zip(browsers, ways, strict=True))
    )
    return [answer_of(response.headers["location"]) for response in responses]


async def test_many_first_sign_ins_at_once_make_one_account(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    person = somebody(provider)
    answers = await both_returns([browser] * 20, [person] * 20)
    assert [set(answer) for answer in answers] == [{"code"}] * 20
    rows = await auth_database.fetch("SELECT id FROM users WHERE email = $1", person.email)
    assert len(rows) == 1
    assert await links_of(auth_database, str(person.email)) == [person.subject]
    assert await live_sessions(auth_database, rows[0]["id"]) == 20
    exchanged = await asyncio.gather(*(browser.exchange(answer["code"]) for answer in answers))
    assert {response.json()["user"]["id"] for response in exchanged} == {str(rows[0]["id"])}


async def test_concurrent_sign_ins_with_one_name_get_different_usernames(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    people = [somebody(provider, name="Maria Schmidt") for _ in range(20)]
    answers = await both_returns([browser] * 20, people)
    assert [set(answer) for answer in answers] == [{"code"}] * 20
    rows = await auth_database.fetch(
        "SELECT username::text FROM users WHERE email::text = ANY($1::text[])",
        [person.email for person in people],
    )
    assert len({row["username"].lower() for row in rows}) == 20


async def test_concurrent_registration_and_sign_in_with_google_lock_the_stranger_out(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    """Twenty times a stranger registers an address while its owner signs in with Google."""
    strangers = [new_person() for _ in range(20)]
    owners = [somebody(provider, email=stranger.email) for stranger in strangers]
    ways = [await browser.choose(await browser.begin(), owner) for owner in owners]
    calls: list[Any] = [browser.come_back(way) for way in ways]
    calls += [browser.client.post("/v1/auth/register", json=stranger.registration) for stranger in strangers]
    responses = await asyncio.gather(
        *(call for pair in zip(calls[20:], calls[:20], strict=True) for call in pair)
    )
    assert Counter(response.status_code for response in responses) == {201: 20, 302: 20}
    for stranger, owner in zip(strangers, owners, strict=True):
        rows = await auth_database.fetch(
            "SELECT password_hash, email_verified FROM users WHERE email = $1", stranger.email
        )
        assert [tuple(row) for row in rows] == [(None, True)]
        assert await links_of(auth_database, stranger.email) == [owner.subject]


async def test_two_google_accounts_of_one_address_sign_in_to_one_account(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    email = new_person().email
    people = [somebody(provider, email=email) for _ in range(10)]
    answers = await both_returns([browser] * 10, people)
    assert [set(answer) for answer in answers] == [{"code"}] * 10
    assert await auth_database.fetch_value("SELECT count(*) FROM users WHERE email = $1", email) == 1
    assert set(await links_of(auth_database, email)) == {person.subject for person in people}


async def test_a_second_factor_is_asked_for_after_google_too(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    app = await new_app(browser.client)
    email = app.person.email
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", email)
    person = somebody(provider, email=email)
    before = await live_sessions(auth_database, UUID(app.user_id))
    device = browser.client.cookies.get("auth_device")
    code = (await browser.visit_for(person))["code"]
    assert browser.client.cookies.get("auth_device") == device, "no device is known before the code is given"
    asked = (await browser.exchange(code)).json()
    assert asked.keys() == {"mfa_required", "mfa_token"}
    assert (await browser.exchange(code)).status_code == 410
    assert await live_sessions(auth_database, UUID(app.user_id)) == before
    assert (await finish(browser.client, asked["mfa_token"], "000000")).status_code == 401
    answer = await finish(browser.client, asked["mfa_token"], app.code())
    assert answer.status_code == 200, answer.text
    sessions = await browser.client.get("/v1/auth/sessions", headers=bearer(answer.json()["access_token"]))
    assert [item["method"] for item in sessions.json()["items"] if item["current"]] == ["google"]
    stored = await auth_database.fetch("SELECT o::text FROM oauth_codes o")
    assert not [row for row in stored if asked["mfa_token"] in row[0] or code in row[0]]


@pytest.mark.parametrize("proven", ["never", "by a code", "by a recovery code"])
async def test_google_voids_a_factor_that_locks_the_owner_out_unless_it_was_verified_since(
    browser: Browser, provider: Provider, auth_database: AuthDatabase, proven: str
) -> None:
    client = browser.client
    stranger = await new_app(client)
    email = stranger.person.email
    await client.post("/v1/auth/password/forgot", json={"email": email})
    body = {"token": await newest_token(client, email), "new_password": "eight silent lagoons"}
    assert (await client.post("/v1/auth/password/reset", json=body)).status_code == 204
    owner = LocalPerson(email=email, username=stranger.person.username, password=body["new_password"])
    waiting = await ask(client, owner)
    if proven != "never":
        code = stranger.code() if proven == "by a code" else stranger.recovery_codes[0]
        assert (await finish(client, waiting, code)).status_code == 200
    visitor = somebody(provider, email=email)
    answer = (await browser.exchange((await browser.visit_for(visitor))["code"])).json()
    assert answer.keys() >= {"access_token"} if proven == "never" else answer["mfa_required"]
    events = await auth_database.fetch(
        "SELECT event FROM audit_events WHERE user_id = $1::uuid", stranger.user_id
    )
    assert [row["event"] for row in events].count("mfa_disabled") == (proven == "never")
    subjects = [mail["subject"] for mail in await mails_to(client, email)]
    assert subjects.count("Signing in no longer asks for a code") == (proven == "never")


async def test_the_providers_token_is_stored_encrypted_for_one_account(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    provider.issued.clear()
    person = somebody(provider)
    await browser.sign_in(person)
    stored = await auth_database.fetch_value(
        "SELECT access_token FROM oauth_accounts WHERE provider_account_id = $1", person.subject
    )
    token = app.component(GoogleSignIn).vault.decrypt(stored, subject=person.subject)
    assert token in provider.issued
    assert app.component(GoogleSignIn).vault.decrypt(stored, subject="another") is None
    tables = await auth_database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        rows = await auth_database.fetch(f'SELECT t::text FROM "{table["tablename"]}" t')  # noqa: S608 - names of ours
        dump = "\n".join(row[0] for row in rows)
        assert not [secret for secret in provider.issued if secret in dump], table["tablename"]
