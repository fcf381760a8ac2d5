"""One order for one idempotency key: repeated, concurrent, in several processes, and after a restart."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx
import pytest

from payment.main import create_app
from payment.settings import Settings
from tests.clients import running
from tests.services.payment.shop import Shop, Sql, pointers, problem, until
from tests.tokens import TokenMint


async def _count_orders(sql: Sql, user_id: UUID) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM orders WHERE user_id = $1", user_id)
    return count


async def test_repeated_request_gets_the_stored_response(shop: Shop, sql: Sql) -> None:
    product, user_id = await shop.offer(), uuid4()
    first = await shop.order({product["sku"]: 2}, buyer=shop.buyer(user_id), key="k")
    again = await shop.order({product["sku"]: 2}, buyer=shop.buyer(user_id), key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await _count_orders(sql, user_id) == 1


async def test_stored_response_is_repeated_after_product_and_order_changed(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    product, buyer = await shop.offer(stock=1), shop.buyer()
    first = await shop.order({product["sku"]: 1}, buyer=buyer, key="k")
    await client.delete(f"/v1/products/{product['id']}", headers=shop.admin)
    await sql.execute("UPDATE orders SET status = 'cancelled' WHERE id = $1", first.json()["id"])
    again = await shop.order({product["sku"]: 1}, buyer=buyer, key="k")
    assert (again.status_code, again.content) == (201, first.content)


async def test_whitespace_and_order_of_the_json_make_no_difference(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    product = await shop.offer()
    headers = shop.buyer() | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    line = {"sku": product["sku"], "quantity": 1}
    bodies = [
        json.dumps({"items": [line]}, separators=(",", ":")),
        json.dumps({"items": [dict(reversed(line.items()))]}, indent=4),
    ]
    assert bodies[0] != bodies[1]
    first, second = [await client.post("/v1/orders", content=body, headers=headers) for body in bodies]
    assert (second.status_code, second.content) == (201, first.content)


async def test_key_with_another_body_is_refused(shop: Shop, sql: Sql) -> None:
    product, user_id = await shop.offer(), uuid4()
    await shop.placed({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    answer = await shop.order({product["sku"]: 2}, buyer=shop.buyer(user_id), key="k")
    assert problem(answer) == (422, "idempotency-key-reused")
    assert pointers(answer) == ["#header/idempotency-key"]
    assert await _count_orders(sql, user_id) == 1


async def test_key_belongs_to_its_user(shop: Shop) -> None:
    product = await shop.offer()
    one = await shop.placed({product["sku"]: 1}, key="shared")
    other = await shop.placed({product["sku"]: 1}, key="shared")
    assert one["id"] != other["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "caf\u00e9", "tab\tkey"])
async def test_malformed_key_is_refused(shop: Shop, client: httpx.AsyncClient, key: str) -> None:
    product = await shop.offer()
    headers = httpx.Headers(shop.buyer())
    headers["Idempotency-Key"] = key.encode("latin-1").decode("latin-1")
    body = {"items": [{"sku": product["sku"], "quantity": 1}]}
    assert problem(await client.post("/v1/orders", json=body, headers=headers)) == (
        400,
        "idempotency-key-missing",
    )


async def test_missing_or_second_key_is_refused_before_the_body_is_validated(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    token = list(shop.buyer().items())
    for headers in (token, [*token, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]):
        answer = await client.post("/v1/orders", json={"items": []}, headers=headers)
        assert problem(answer) == (400, "idempotency-key-missing")


async def test_key_of_255_characters_is_taken(shop: Shop) -> None:
    product = await shop.offer()
    await shop.placed({product["sku"]: 1}, key="k" * 255)


async def test_key_of_a_refused_request_can_be_used_again(shop: Shop, client: httpx.AsyncClient) -> None:
    product, buyer = await shop.offer(stock=1), shop.buyer()
    path = f"/v1/products/{product['id']}"
    assert problem(await shop.order({product["sku"]: 2}, buyer=buyer, key="k")) == (409, "out-of-stock")
    unknown = await shop.order({"unknown": 1}, buyer=buyer, key="k")
    assert (problem(unknown), pointers(unknown)) == ((422, "product-not-for-sale"), ["#/items/0/sku"])
    await client.patch(path, json={"stock": 2}, headers=shop.admin)
    order = await shop.placed({product["sku"]: 2}, buyer=buyer, key="k")
    assert order["total_amount"] == "25.00"


async def test_while_the_first_request_runs_the_key_is_busy(shop: Shop, sql: Sql) -> None:
    product, user_id = await shop.offer(), uuid4()
    await shop.placed({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    # As a running request of another process leaves it.
    await sql.execute(
        "UPDATE idempotency_keys SET status_code = NULL, body = NULL, location = NULL, lease_token = request_id,"
        " leased_until = now() + interval '1 hour' WHERE user_id = $1",
        user_id,
    )
    answer = await shop.order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    assert problem(answer) == (409, "idempotency-key-busy")
    assert answer.headers["retry-after"] == "1"
    await sql.execute("UPDATE idempotency_keys SET leased_until = now() WHERE user_id = $1", user_id)
    await shop.placed({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    assert await _count_orders(sql, user_id) == 2


async def test_answer_survives_a_restart(shop: Shop, settings: Settings, mint: TokenMint, sql: Sql) -> None:
    product, user_id = await shop.offer(), uuid4()
    async with running(create_app(settings, issuers=[mint.issuer])) as before:
        first = await Shop(before, mint).order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    async with running(create_app(settings, issuers=[mint.issuer])) as after:
        again = await Shop(after, mint).order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    assert (again.headers["idempotent-replayed"], again.content) == ("true", first.content)
    assert await _count_orders(sql, user_id) == 1


async def test_key_is_free_again_after_24_hours(shop: Shop, sql: Sql) -> None:
    product, user_id = await shop.offer(), uuid4()
    first = await shop.placed({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    kept = await sql.fetchval(
        "SELECT expires_at - created_at BETWEEN '24 hours' AND '25 hours' FROM idempotency_keys WHERE user_id = $1",
        user_id,
    )
    assert kept is True
    await sql.execute("UPDATE idempotency_keys SET expires_at = now() WHERE user_id = $1", user_id)
    second = await shop.placed({product["sku"]: 2}, buyer=shop.buyer(user_id), key="k")
    assert second["id"] != first["id"]
    again = await shop.order({product["sku"]: 2}, buyer=shop.buyer(user_id), key="k")
    assert again.headers["idempotent-replayed"] == "true"
    assert await sql.fetchval("SELECT count(*) FROM idempotency_keys WHERE user_id = $1", user_id) == 1


async def test_refused_and_cancelled_requests_leave_no_order(shop: Shop, sql: Sql) -> None:
    product, user_id = await shop.offer(stock=10), uuid4()
    await shop.placed({product["sku"]: 1}, buyer=shop.buyer(user_id))
    # The request waits for a product that another transaction has locked, and its client disconnects.
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("SELECT 1 FROM products WHERE id = $1 FOR NO KEY UPDATE", product["id"])
    request = asyncio.create_task(shop.order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k"))

    async def is_waiting() -> bool:
        waiting: bool = await sql.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        return waiting

    await until(is_waiting)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await transaction.rollback()
    order = await shop.order({product["sku"]: 1}, buyer=shop.buyer(user_id), key="k")
    assert order.status_code == 201
    assert "idempotent-replayed" not in order.headers
    assert await _count_orders(sql, user_id) == 2
    assert await sql.fetchval("SELECT reserved FROM products WHERE id = $1", product["id"]) == 2
