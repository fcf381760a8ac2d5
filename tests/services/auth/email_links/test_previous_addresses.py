"""An address that its former owner can still take back is not given to another account by a change of address."""

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


async def ask_for_change(client: httpx.AsyncClient, person: Person, address: str) -> str:
    """Ask for another address; gives the account's id."""
    answer = await log_in(client, person)
    headers = bearer(answer["access_token"])
    response = await client.patch("/v1/users/me", json={"email": address}, headers=headers)
    assert response.status_code == 200, response.text
    return str(answer["user"]["id"])


@dataclass(frozen=True, kw_only=True)
class Move:
    """Somebody whose proven address is about to be replaced, and the links in both mails of that."""

    owner: Person
    elsewhere: str
    change: str
    undo: str


async def begin_move(client: httpx.AsyncClient) -> Move:
    owner, elsewhere = await register(client), new_person().email
    await use_link(client, await newest_token(client, owner.email))
    await ask_for_change(client, owner, elsewhere)
    change, undo = await newest_token(client, elsewhere), await newest_token(client, owner.email)
    return Move(owner=owner, elsewhere=elsewhere, change=change, undo=undo)


async def arm_claim(client: httpx.AsyncClient, database: AuthDatabase, address: str) -> str:
    """The link by which another account claims the address, as if it had been sent while that was free."""
    claimant, other = await register(client), new_person().email
    user_id = await ask_for_change(client, claimant, other)
    claim = await newest_token(client, other)
    await database.execute(
        "UPDATE email_tokens SET email = $1 WHERE user_id = $2::uuid AND kind = 'change_email'",
        address,
        user_id,
    )
    return claim


def assert_taken(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["type"]) == (409, "/problems/email-taken")


async def test_asking_for_a_left_address_sends_no_link_there(auth: httpx.AsyncClient) -> None:
    move = await begin_move(auth)
    assert (await use_link(auth, move.change)).status_code == 200
    typed = move.owner.email.replace("person", "PERSON")
    await ask_for_change(auth, await register(auth), typed)
    mail = (await mails_to(auth, move.owner.email))[0]
    assert (mail["subject"], "token" in mail["text"]) == (TAKEN, False)
    assert move.owner.username in mail["text"]
    assert await mails_to(auth, typed) == []
    assert (await use_link(auth, move.undo)).json()["user"]["email"] == move.owner.email


async def test_a_link_that_was_sent_earlier_does_not_give_a_left_address_away(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    move = await begin_move(auth)
    await use_link(auth, move.change)
    claim = await arm_claim(auth, auth_database, move.owner.email)
    assert_taken(await use_link(auth, claim))
    page = await auth.post("/email/change", data={"token": claim})
    assert (page.status_code, 'role="alert"' in page.text) == (409, True)
    assert (await use_link(auth, move.undo)).json()["user"]["email"] == move.owner.email


async def test_who_left_an_address_may_also_go_back_by_another_change(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    move = await begin_move(auth)
    await use_link(auth, move.change)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    moved = Person(email=move.elsewhere, username=move.owner.username)
    await ask_for_change(auth, moved, move.owner.email)
    back = await use_link(auth, await newest_token(auth, move.owner.email))
    assert back.json()["user"]["email"] == move.owner.email


async def test_a_left_address_is_free_once_its_link_back_is_over(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    move = await begin_move(auth)
    await use_link(auth, move.change)
    await auth_database.execute(
        "UPDATE email_tokens SET created_at = now() - interval '8 days', expires_at = now()"
        " WHERE kind = 'revert_email' AND email = $1",
        move.owner.email,
    )
    await ask_for_change(auth, await register(auth), move.owner.email)
    claimed = await use_link(auth, await newest_token(auth, move.owner.email))
    assert claimed.json()["user"]["email"] == move.owner.email


async def test_the_way_back_to_an_unproven_address_ends_where_another_may_come_back(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    squatter, elsewhere, owner = await register(auth), new_person(), new_person()
    await ask_for_change(auth, squatter, elsewhere.email)
    undo = await newest_token(auth, squatter.email)
    await use_link(auth, await newest_token(auth, elsewhere.email))
    owner = Person(email=squatter.email, username=owner.username)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    await register(auth, owner)
    await use_link(auth, await newest_token(auth, owner.email))
    await ask_for_change(auth, owner, (later := new_person().email))
    own_undo = await newest_token(auth, owner.email)
    await use_link(auth, await newest_token(auth, later))
    assert_taken(await use_link(auth, undo))
    assert (await use_link(auth, own_undo)).json()["user"]["email"] == owner.email


async def test_of_a_claim_and_the_way_back_at_once_the_way_back_counts(auth_database: AuthDatabase) -> None:
    async with (
        running(make_app(auth_database.settings)) as one,
        running(make_app(auth_database.settings)) as other,
    ):
        for _ in range(8):
            move = await begin_move(one)
            await use_link(one, move.change)
            claim = await arm_claim(one, auth_database, move.owner.email)
            claimed, undone = await asyncio.gather(use_link(other, claim), use_link(one, move.undo))
            assert_taken(claimed)
            assert undone.json()["user"]["email"] == move.owner.email


async def test_a_claim_waits_for_who_is_just_leaving_the_address_and_is_refused(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner, elsewhere = await register(auth), new_person().email
    claim = await arm_claim(auth, auth_database, owner.email)
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


async def test_the_mail_about_a_new_address_names_the_account_and_says_that_it_gives_none_back(
    auth: httpx.AsyncClient,
) -> None:
    person, address = await register(auth), new_person().email
    await ask_for_change(auth, person, address)
    (mail,) = await mails_to(auth, address)
    for part in (mail["text"], mail["html"]):
        assert f"the account {person.username}" in part
        assert "does not revert" in part
