"""Rows of `users`: stored from a token, updated by later tokens, with unique e-mail addresses."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import httpx

from payment.main import create_app
from payment.settings import Settings
from tests.clients import running
from tests.services.payment.shop import Headers, Shop, Sql
from tests.tokens import TokenMint


def _token(mint: TokenMint, user_id: UUID, *, later: int = 0, **claims: Any) -> Headers:
    """A token signed `later` seconds after others."""
    return mint.headers(user_id=user_id, exp=int(time.time()) + 900 + later, **claims)


async def _call(client: httpx.AsyncClient, headers: Headers) -> None:
    answer = await client.get("/v1/orders", headers=headers)
    assert answer.status_code == 200, answer.text


async def _email(sql: Sql, user_id: UUID) -> str | None:
    email: str | None = await sql.fetchval("SELECT email FROM users WHERE id = $1", user_id)
    return email


async def test_first_call_stores_the_caller(client: httpx.AsyncClient, mint: TokenMint, sql: Sql) -> None:
    user_id = uuid4()
    await _call(client, _token(mint, user_id, email="ada@example.com", username="ada"))
    row = await sql.fetchrow("SELECT email, name, stripe_customer_id FROM users WHERE id = $1", user_id)
    assert row is not None
    assert tuple(row) == ("ada@example.com", "ada", None)


async def test_caller_without_address_and_name_is_stored_too(
    client: httpx.AsyncClient, mint: TokenMint, sql: Sql
) -> None:
    user_id = uuid4()
    await _call(client, _token(mint, user_id, email=None, username=None))
    assert await sql.fetchval("SELECT count(*) FROM users WHERE id = $1", user_id) == 1


async def test_fifty_first_calls_at_once_in_two_processes_make_one_row(
    client: httpx.AsyncClient, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    user_id = uuid4()
    async with running(create_app(settings, issuers=[mint.issuer])) as other:
        clients = [client, other]
        await asyncio.gather(*(_call(clients[n % 2], _token(mint, user_id)) for n in range(50)))
    rows = await sql.fetch("SELECT email FROM users WHERE id = $1", user_id)
    assert [row["email"] for row in rows] == [f"{user_id.hex[:12]}@example.com"]


async def test_later_token_updates_the_row_and_an_older_one_does_not(
    client: httpx.AsyncClient, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    user_id = uuid4()
    older = _token(mint, user_id, email="old@example.com", username="old")
    newer = _token(mint, user_id, later=5, email="new@example.com", username="new")
    for headers in (older, newer, older):
        await _call(client, headers)
    async with running(create_app(settings, issuers=[mint.issuer])) as freshly_started:
        await _call(freshly_started, older)
    row = await sql.fetchrow("SELECT email, name FROM users WHERE id = $1", user_id)
    assert row is not None
    assert tuple(row) == ("new@example.com", "new")


async def test_token_without_an_address_keeps_the_stored_one(
    client: httpx.AsyncClient, mint: TokenMint, sql: Sql
) -> None:
    user_id = uuid4()
    await _call(client, _token(mint, user_id, email="kept@example.com"))
    await _call(client, _token(mint, user_id, later=5, email=None))
    assert await _email(sql, user_id) == "kept@example.com"


async def test_address_goes_to_the_newcomer_and_the_other_row_keeps_its_orders(
    shop: Shop, client: httpx.AsyncClient, mint: TokenMint, sql: Sql
) -> None:
    product, former, newcomer = await shop.offer(), uuid4(), uuid4()
    await shop.placed({product["sku"]: 1}, buyer=_token(mint, former, email="Shared@Example.com"))
    await _call(client, _token(mint, newcomer, later=5, email="shared@example.com"))
    assert await _email(sql, former) is None
    assert await _email(sql, newcomer) == "shared@example.com"
    assert await sql.fetchval("SELECT count(*) FROM orders WHERE user_id = $1", former) == 1


async def test_older_token_takes_no_address_from_a_newer_one(
    client: httpx.AsyncClient, mint: TokenMint, sql: Sql
) -> None:
    holder, late = uuid4(), uuid4()
    await _call(client, _token(mint, holder, later=60, email="mine@example.com"))
    await _call(client, _token(mint, late, email="mine@example.com"))
    assert await _email(sql, holder) == "mine@example.com"
    assert await _email(sql, late) is None


async def test_addresses_that_change_places_do_so_without_deadlock(
    client: httpx.AsyncClient, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    users = [uuid4() for _ in range(6)]
    addresses = [f"ring-{user_id}@example.com" for user_id in users]
    async with running(create_app(settings, issuers=[mint.issuer])) as other:
        clients = [client, other]
        for turn in range(5):
            turned = addresses[turn % 6 :] + addresses[: turn % 6]
            tokens = [
                _token(mint, user_id, later=10 * turn, email=email)
                for user_id, email in zip(users, turned, strict=True)
            ]
            await asyncio.gather(*(_call(each, token) for token in tokens for each in clients))
            assert [await _email(sql, user_id) for user_id in users] == turned


async def test_of_many_newcomers_with_one_address_one_keeps_it(
    client: httpx.AsyncClient, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    users = [uuid4() for _ in range(30)]
    async with running(create_app(settings, issuers=[mint.issuer])) as other:
        clients = [client, other]
        await asyncio.gather(
            *(
                _call(clients[n % 2], _token(mint, user, email="one@example.com"))
                for n, user in enumerate(users)
            )
        )
    assert await sql.fetchval("SELECT count(*) FROM users WHERE id = ANY($1)", users) == 30
    assert await sql.fetchval("SELECT count(*) FROM users WHERE email = 'ONE@example.com'") == 1


async def test_two_callers_may_have_one_name(client: httpx.AsyncClient, mint: TokenMint, sql: Sql) -> None:
    for _ in range(2):
        await _call(client, _token(mint, uuid4(), username="namesake"))
    assert await sql.fetchval("SELECT count(*) FROM users WHERE name = 'namesake'") == 2


async def test_caller_whose_row_was_deleted_is_stored_again_by_the_next_order(
    shop: Shop, client: httpx.AsyncClient, mint: TokenMint, sql: Sql
) -> None:
    product, user_id = await shop.offer(), uuid4()
    buyer = _token(mint, user_id)
    await _call(client, buyer)
    await sql.execute("DELETE FROM users WHERE id = $1", user_id)
    await shop.placed({product["sku"]: 1}, buyer=buyer)
    assert await sql.fetchval("SELECT count(*) FROM users WHERE id = $1", user_id) == 1
