"""A change of address does not get an address that is reserved for its previous account."""

import asyncio
from dataclasses import dataclass

import httpx

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, new_person, register
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.waiting import queue

TAKEN = "You already have an account"


async def use_link(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/auth/email/verify", json={"token": token})


async def request_change(client: httpx.AsyncClient, person: Person, address: str) -> str:
    """Request a change of address; gives the account's id."""
    answer = await log_in(client, person)
    headers = bearer(answer["access_token"])
    response = await client.patch("/v1/users/me", json={"email": address}, headers=headers)
    assert response.status_code == 200, response.text
    return str(answer["user"]["id"])


@dataclass(frozen=True, kw_only=True)
class Change:
    """An account whose verified address is about to be changed, and the links of both mails."""

    owner: Person
    elsewhere: str
    link: str
    revert: str


async def begin_change(client: httpx.AsyncClient) -> Change:
    owner, elsewhere = await register(client), new_person().email
    await use_link(client, await newest_token(client, owner.email))
    await request_change(client, owner, elsewhere)
    link, revert = await newest_token(client, elsewhere), await newest_token(client, owner.email)
    return Change(owner=owner, elsewhere=elsewhere, link=link, revert=revert)


async def make_change_link(client: httpx.AsyncClient, database: AuthDatabase, address: str) -> str:
    """The change link of another account to the address, as if it had been sent while the address was free."""
    claimant, other = await register(client), new_person().email
    user_id = await request_change(client, claimant, other)
    claim = await newest_token(client, other)
    await database.execute(
        "UPDATE email_tokens SET email = $1 WHERE user_id = $2::uuid AND kind = 'change_email'",
        address,
        user_id,
    )
    return claim


def assert_taken(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["type"]) == (409, "/problems/email-taken")


async def test_requesting_a_reserved_address_sends_no_link(auth: httpx.AsyncClient) -> None:
    change = await begin_change(auth)
    assert (await use_link(auth, change.link)).status_code == 200
    typed = change.owner.email.replace("person", "PERSON")
    await request_change(auth, await register(auth), typed)
    mail = (await mails_to(auth, change.owner.email))[0]
    assert (mail["subject"], "token" in mail["text"]) == (TAKEN, False)
    assert change.owner.username in mail["text"]
    assert await mails_to(auth, typed) == []
    assert (await use_link(auth, change.revert)).json()["user"]["email"] == change.owner.email


async def test_a_link_that_was_sent_earlier_does_not_get_a_reserved_address(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    change = await begin_change(auth)
    await use_link(auth, change.link)
    claim = await make_change_link(auth, auth_database, change.owner.email)
    assert_taken(await use_link(auth, claim))
    page = await auth.post("/email/change", data={"token": claim})
    assert (page.status_code, 'role="alert"' in page.text) == (409, True)
    assert (await use_link(auth, change.revert)).json()["user"]["email"] == change.owner.email


async def test_the_previous_owner_can_also_return_by_another_change(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    change = await begin_change(auth)
    await use_link(auth, change.link)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    moved = Person(email=change.elsewhere, username=change.owner.username)
    await request_change(auth, moved, change.owner.email)
    back = await use_link(auth, await newest_token(auth, change.owner.email))
    assert back.json()["user"]["email"] == change.owner.email


async def test_an_address_is_free_once_its_revert_link_has_expired(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    change = await begin_change(auth)
    await use_link(auth, change.link)
    await auth_database.execute(
        "UPDATE email_tokens SET created_at = now() - interval '8 days', expires_at = now()"
        " WHERE kind = 'revert_email' AND email = $1",
        change.owner.email,
    )
    await request_change(auth, await register(auth), change.owner.email)
    claimed = await use_link(auth, await newest_token(auth, change.owner.email))
    assert claimed.json()["user"]["email"] == change.owner.email


async def test_a_revert_link_of_an_unverified_address_yields_to_a_reservation(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    squatter, elsewhere, owner = await register(auth), new_person(), new_person()
    await request_change(auth, squatter, elsewhere.email)
    revert = await newest_token(auth, squatter.email)
    await use_link(auth, await newest_token(auth, elsewhere.email))
    owner = Person(email=squatter.email, username=owner.username)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    await register(auth, owner)
    await use_link(auth, await newest_token(auth, owner.email))
    await request_change(auth, owner, (later := new_person().email))
    own_undo = await newest_token(auth, owner.email)
    await use_link(auth, await newest_token(auth, later))
    assert_taken(await use_link(auth, revert))
    assert (await use_link(auth, own_undo)).json()["user"]["email"] == owner.email


async def test_of_a_change_link_and_a_revert_link_used_at_once_the_revert_link_wins(
    auth_database: AuthDatabase,
) -> None:
    async with (
        running(make_app(auth_database.settings)) as one,
        running(make_app(auth_database.settings)) as other,
    ):
        for _ in range(8):
            change = await begin_change(one)
            await use_link(one, change.link)
            claim = await make_change_link(one, auth_database, change.owner.email)
            claimed, reverted = await asyncio.gather(use_link(other, claim), use_link(one, change.revert))
            assert_taken(claimed)
            assert reverted.json()["user"]["email"] == change.owner.email


async def test_a_change_link_waits_for_a_concurrent_change_and_is_refused(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner, elsewhere = await register(auth), new_person().email
    claim = await make_change_link(auth, auth_database, owner.email)
    async with auth_database.connect() as connection:
        async with connection.transaction():
            # Asked for and confirmed in one transaction: no look before the wait could have seen the link back.
            await connection.execute(
                "INSERT INTO email_tokens (kind, user_id, token_hash, email, expires_at)"
                " SELECT 'revert_email', id, $1, email, now() + interval '7 days' FROM users WHERE email = $2",
                "0" * 64,
                owner.email,
            )
            await connection.execute("UPDATE users SET email = $1 WHERE email = $2", elsewhere, owner.email)
            task = await queue(auth_database, use_link(auth, claim))
            assert not task.done()
        assert_taken(await task)
    held = "SELECT count(*) FROM users WHERE email = $1"
    assert await auth_database.fetch_value(held, owner.email) == 0


async def test_the_mail_about_a_new_address_names_the_account_and_says_that_it_reverts_nothing(
    auth: httpx.AsyncClient,
) -> None:
    person, address = await register(auth), new_person().email
    await request_change(auth, person, address)
    (mail,) = await mails_to(auth, address)
    for part in (mail["text"], mail["html"]):
        assert f"the account {person.username}" in part
        assert "does not revert" in part
