"""Links in mails: change the address, and revert that."""

import asyncio

import httpx

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, log_in, make_app, new_person, refresh, register
from tests.services.auth.email_links.links import NEW_PASSWORD, assert_gone, change, forgot, reset, verify
from tests.services.auth.mail.mails import mails_to, newest_token


async def test_a_new_address_replaces_the_old_once_its_link_is_used(auth: httpx.AsyncClient) -> None:
    person, other = await register(auth), new_person()
    answer = await log_in(auth, person)
    response = await change(auth, answer, other.email)
    assert response.status_code == 200
    assert response.json()["email"] == person.email
    assert (await mails_to(auth, person.email))[0]["subject"] == "Your e-mail address is about to change"
    assert other.email in (await mails_to(auth, person.email))[0]["text"]
    token = await newest_token(auth, other.email)
    user = (await verify(auth, token)).json()["user"]
    assert (user["email"], user["email_verified"]) == (other.email, True)
    assert_gone(await verify(auth, token))
    await log_in(auth, Person(email=other.email, username=person.username))
    assert (await auth.post("/v1/auth/login", json={"login": person.email, "password": person.password})
            ).status_code == 401  # fmt: skip


async def test_only_the_newest_new_address_can_be_confirmed(auth: httpx.AsyncClient) -> None:
    person, first, second = await register(auth), new_person(), new_person()
    answer = await log_in(auth, person)
    await change(auth, answer, first.email)
    old = await newest_token(auth, first.email)
    await change(auth, answer, second.email)
    assert_gone(await verify(auth, old))
    await verify(auth, await newest_token(auth, second.email))
    assert (await change(auth, answer, first.email)).status_code == 429


async def test_requesting_the_present_address_withdraws_a_pending_change(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, typo = await register(auth), new_person()
    answer = await log_in(auth, person)
    await change(auth, answer, typo.email)
    token = await newest_token(auth, typo.email)
    withdrawn = await change(auth, answer, person.email)
    assert (withdrawn.status_code, withdrawn.json()["email"]) == (200, person.email)
    assert_gone(await verify(auth, token))
    await change(auth, answer, (right := new_person()).email)
    confirmed = await verify(auth, await newest_token(auth, right.email))
    assert confirmed.json()["user"]["email"] == right.email
    # What the worker had no time for is not sent either.
    await auth_database.execute(
        "INSERT INTO mails (kind, recipient, user_id, seed, next_attempt_at)"
        " VALUES ('change_email', $1, $2, $3, now() + interval '1 hour')",
        typo.email,
        answer["user"]["id"],
        b"s" * 32,
    )
    await change(auth, answer, right.email)
    waiting = "SELECT count(*) FROM mails WHERE kind = 'change_email' AND recipient = $1 AND sent_at IS NULL"
    assert await auth_database.fetch_value(waiting, typo.email) == 0


async def test_the_old_address_can_revert_the_change(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, thief, accomplice = await register(auth), new_person(), new_person()
    stolen = await log_in(auth, person)
    await change(auth, stolen, thief.email)
    revert = await newest_token(auth, person.email)
    await verify(auth, await newest_token(auth, thief.email))
    await forgot(auth, thief.email)
    reset_by_thief = await newest_token(auth, thief.email)
    # A second change does not void the first revert link, and neither does reverting the second change.
    await change(auth, stolen, accomplice.email)
    revert_second = await newest_token(auth, thief.email)
    await verify(auth, await newest_token(auth, accomplice.email))
    assert (await verify(auth, revert_second)).json()["user"]["email"] == thief.email
    response = await verify(auth, revert)
    assert response.json()["user"]["email"] == person.email
    assert_gone(await verify(auth, revert))
    assert_gone(await reset(auth, reset_by_thief))
    assert (await refresh(auth, stolen["refresh_token"])).status_code == 401
    await log_in(auth, person)
    events = await auth_database.fetch(
        "SELECT event FROM audit_events JOIN users ON users.id = user_id WHERE email = $1", person.email
    )
    assert [row["event"] for row in events].count("email_change_reverted") == 2


async def test_the_old_address_can_stop_the_change(auth: httpx.AsyncClient) -> None:
    person, other = await register(auth), new_person()
    await change(auth, await log_in(auth, person), other.email)
    token = await newest_token(auth, other.email)
    assert (await verify(auth, await newest_token(auth, person.email))).status_code == 200
    assert_gone(await verify(auth, token))


async def test_a_reserved_address_cannot_be_registered(auth: httpx.AsyncClient) -> None:
    person, other, squatter = await register(auth), new_person(), new_person()
    await verify(auth, await newest_token(auth, person.email))
    await change(auth, await log_in(auth, person), other.email)
    revert = await newest_token(auth, person.email)
    await verify(auth, await newest_token(auth, other.email))
    body = {**squatter.registration, "email": person.email}
    assert (await auth.post("/v1/auth/register", json=body)).status_code == 201
    assert (await mails_to(auth, person.email))[0]["subject"] == "You already have an account"
    refused = await auth.post(
        "/v1/auth/login", json={"login": squatter.username, "password": squatter.password}
    )
    assert refused.status_code == 401
    assert (await verify(auth, revert)).json()["user"]["email"] == person.email


async def test_a_link_that_was_sent_before_the_change_does_not_get_a_reserved_address(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner, thief, elsewhere = await register(auth), await register(auth), new_person()
    wanted = new_person().email
    await change(auth, await log_in(auth, thief), wanted)
    link = await newest_token(auth, wanted)
    # Meanwhile the owner changes to that address, and away from it again.
    await auth_database.execute("DELETE FROM mail_cooldowns")
    await change(auth, await log_in(auth, owner), wanted)
    assert (await verify(auth, await newest_token(auth, wanted))).status_code == 200
    moved = Person(email=wanted, username=owner.username, password=owner.password)
    await change(auth, await log_in(auth, moved), elsewhere.email)
    revert = await newest_token(auth, wanted)
    leave = await newest_token(auth, elsewhere.email)
    # Both at once, again and again: whoever is first, the owner can go back.
    answers = await asyncio.gather(*(verify(auth, token) for token in [leave] + [link] * 9))
    assert answers[0].status_code == 200
    assert {answer.status_code for answer in answers[1:]} == {409}
    back = await verify(auth, revert)
    assert (back.status_code, back.json()["user"]["email"]) == (200, wanted)


async def test_an_unverified_previous_address_is_not_reserved_and_reverting_does_not_verify_it(
    auth: httpx.AsyncClient,
) -> None:
    squatter, elsewhere, owner = await register(auth), new_person(), new_person()
    await change(auth, await log_in(auth, squatter), elsewhere.email)
    revert = await newest_token(auth, squatter.email)
    await verify(auth, await newest_token(auth, elsewhere.email))
    assert (await verify(auth, revert)).json()["user"]["email_verified"] is False
    await change(auth, await log_in(auth, squatter), (again := new_person()).email)
    revert = await newest_token(auth, squatter.email)
    await verify(auth, await newest_token(auth, again.email))
    owner = Person(email=squatter.email, username=owner.username, password=NEW_PASSWORD)
    await register(auth, owner)
    assert (await log_in(auth, owner))["user"]["username"] == owner.username
    assert (await verify(auth, revert)).status_code == 409


async def test_an_accounts_changes_of_address_are_limited_per_hour(auth_database: AuthDatabase) -> None:
    async with running(make_app(auth_database.settings, address_changes_per_account=3)) as auth:
        answer = await log_in(auth, await register(auth))
        responses = await asyncio.gather(*(change(auth, answer, new_person().email) for _ in range(10)))
        refused = [response for response in responses if response.status_code == 429]
        assert len(refused) == 7
        assert all(int(response.headers["retry-after"]) > 3000 for response in refused)
        other = await log_in(auth, await register(auth))
        assert (await change(auth, other, new_person().email)).status_code == 200


async def test_a_taken_new_address_is_revealed_to_its_owner_only(auth: httpx.AsyncClient) -> None:
    person, owner = await register(auth), await register(auth)
    response = await change(auth, await log_in(auth, person), owner.email)
    assert response.status_code == 200
    mail = (await mails_to(auth, owner.email))[0]
    assert mail["subject"] == "You already have an account"
    assert owner.username in mail["text"]
    assert person.username not in mail["text"]


async def test_changing_the_address_needs_a_recent_login(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    answer = await log_in(auth, person)
    await auth_database.execute(
        "UPDATE sessions SET created_at = now() - interval '11 minutes' WHERE user_id = $1",
        answer["user"]["id"],
    )
    later = (await refresh(auth, answer["refresh_token"])).json()
    response = await change(auth, later, new_person().email)
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/reauthentication-required"


async def test_an_address_that_was_registered_meanwhile_stays_with_its_account(
    auth: httpx.AsyncClient,
) -> None:
    person, other = await register(auth), new_person()
    await change(auth, await log_in(auth, person), other.email)
    token = await newest_token(auth, other.email)
    await register(auth, other)
    response = await verify(auth, token)
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/email-taken"
    assert (await log_in(auth, person))["user"]["email"] == person.email
