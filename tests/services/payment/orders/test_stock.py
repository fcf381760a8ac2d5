"""Limited stock: reserved for half an hour, released when overdue, never sold twice."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dbcommon.engine import Database
from payment.main import create_app
from payment.orders.service import expire_overdue
from payment.settings import Settings
from payment.stripe_api.client import StripeApi
from payment.worker import sweep
from tests.clients import running
from tests.services.payment.shop import Shop, Sql, pointers, problem, until
from tests.tokens import TokenMint
from webcommon.app.service import Service


async def _reserved(sql: Sql, product: dict[str, Any]) -> tuple[int, int]:
    """The reserved pieces of a product, by its own row and by the lines of orders."""
    row = await sql.fetchrow(
        "SELECT p.reserved, coalesce(sum(i.reserved_quantity), 0) AS lines FROM products p"
        " LEFT JOIN order_items i ON i.product_id = p.id WHERE p.id = $1 GROUP BY p.id",
        product["id"],
    )
    assert row is not None
    return row["reserved"], row["lines"]


async def _make_overdue(sql: Sql, order: dict[str, Any]) -> None:
    await sql.execute("UPDATE orders SET expires_at = now() WHERE id = $1", order["id"])


async def test_order_reserves_limited_stock_for_half_an_hour(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    product, free = await shop.offer(stock=10), await shop.offer()
    order = await shop.placed({product["sku"]: 4, free["sku"]: 9})
    held = datetime.fromisoformat(order["expires_at"]) - datetime.fromisoformat(order["created_at"])
    assert held.total_seconds() == 1800
    shown = (await client.get(f"/v1/products/{product['sku']}")).json()
    assert (shown["stock"], shown["available"]) == (10, 6)
    assert await _reserved(sql, product) == (4, 4)
    assert await _reserved(sql, free) == (0, 0)


async def test_ordering_more_than_is_available_is_refused_with_the_available_number(
    shop: Shop, sql: Sql
) -> None:
    few, many = await shop.offer(stock=3), await shop.offer(stock=50)
    answer = await shop.order({many["sku"]: 10, few["sku"]: 4})
    assert problem(answer) == (409, "out-of-stock")
    assert pointers(answer) == ["#/items/1/quantity"]
    assert "3 can be ordered" in answer.text
    assert await _reserved(sql, many) == (0, 0)


async def test_fifty_buyers_of_eight_pieces_get_eight(
    shop: Shop, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    product = await shop.offer(stock=8)
    async with running(create_app(settings, issuers=[mint.issuer])) as other:
        shops = [shop, Shop(other, mint)]
        answers = await asyncio.gather(
            *(shops[number % 2].order({product["sku"]: 1}) for number in range(50))
        )
    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [409] * 42
    refusals = {problem(answer) for answer in answers if answer.status_code == 409}
    assert refusals == {(409, "out-of-stock")}
    assert all("0 can be ordered now" in answer.text for answer in answers if answer.status_code == 409)
    assert await _reserved(sql, product) == (8, 8)
    assert await sql.fetchval("SELECT count(*) FROM order_items WHERE product_id = $1", product["id"]) == 8


async def test_buyers_of_several_pieces_never_get_more_than_there_are(shop: Shop, sql: Sql) -> None:
    product = await shop.offer(stock=8)
    answers = await asyncio.gather(*(shop.order({product["sku"]: 3}) for _ in range(20)))
    assert [answer.status_code for answer in answers].count(201) == 2
    assert await _reserved(sql, product) == (6, 6)


async def test_orders_of_the_same_products_in_opposite_order_do_not_block_each_other(
    shop: Shop, sql: Sql
) -> None:
    one, two = await shop.offer(stock=1000), await shop.offer(stock=1000)
    skus = [one["sku"], two["sku"]]
    answers = await asyncio.gather(
        *(shop.order(dict.fromkeys(skus if number % 2 else skus[::-1], 1)) for number in range(40))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await _reserved(sql, one) == await _reserved(sql, two) == (40, 40)


async def test_sweep_expires_an_overdue_order_and_releases_its_stock(
    shop: Shop, client: httpx.AsyncClient, app: Service, sql: Sql
) -> None:
    product, buyer = await shop.offer(stock=5), shop.buyer()
    overdue = await shop.placed({product["sku"]: 3}, buyer=buyer)
    waiting = await shop.placed({product["sku"]: 1}, buyer=buyer)
    await _make_overdue(sql, overdue)
    await sweep(app.component(Database), app.component(StripeApi))
    statuses = {
        order["id"]: order["status"]
        for order in (await client.get("/v1/orders", headers=buyer)).json()["items"]
    }
    assert statuses == {overdue["id"]: "expired", waiting["id"]: "pending"}
    assert await _reserved(sql, product) == (1, 1)


async def test_paid_order_never_expires(shop: Shop, app: Service, sql: Sql) -> None:
    product = await shop.offer(stock=5)
    order = await shop.placed({product["sku"]: 3})
    await _make_overdue(sql, order)
    await sql.execute("UPDATE orders SET status = 'paid' WHERE id = $1", order["id"])
    await sweep(app.component(Database), app.component(StripeApi))
    assert await sql.fetchval("SELECT status FROM orders WHERE id = $1", order["id"]) == "paid"
    assert await _reserved(sql, product) == (3, 3)


async def test_order_without_limited_stock_does_not_expire(shop: Shop, app: Service, sql: Sql) -> None:
    product = await shop.offer()
    order = await shop.placed({product["sku"]: 3})
    await sweep(app.component(Database), app.component(StripeApi))
    assert order["expires_at"] is None
    assert await sql.fetchval("SELECT status FROM orders WHERE id = $1", order["id"]) == "pending"


async def test_concurrent_sweeps_release_stock_once(shop: Shop, app: Service, sql: Sql) -> None:
    products = [await shop.offer(stock=50) for _ in range(3)]
    for _ in range(12):
        await _make_overdue(sql, await shop.placed({product["sku"]: 2 for product in products}))
    kept = await shop.placed({products[0]["sku"]: 5})
    expired = await asyncio.gather(*(expire_overdue(app.component(Database)) for _ in range(8)))
    assert sum(expired) == 12
    assert [await _reserved(sql, product) for product in products] == [(5, 5), (0, 0), (0, 0)]
    assert await sql.fetchval("SELECT status FROM orders WHERE id = $1", kept["id"]) == "pending"


async def test_stock_of_an_overdue_order_is_available_before_the_next_sweep(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    product, other = await shop.offer(stock=2), await shop.offer(stock=2)
    former_buyer = shop.buyer()
    overdue = await shop.placed({product["sku"]: 2, other["sku"]: 1}, buyer=former_buyer)
    assert problem(await shop.order({product["sku"]: 1})) == (409, "out-of-stock")
    await _make_overdue(sql, overdue)
    await shop.placed({product["sku"]: 2})
    shown = (await client.get(f"/v1/orders/{overdue['id']}", headers=former_buyer)).json()
    assert shown["status"] == "expired"
    assert await _reserved(sql, product) == (2, 2)
    assert await _reserved(sql, other) == (0, 0)


@pytest.mark.long
async def test_buyers_and_sweeps_at_once_neither_oversell_nor_lose_a_piece(
    shop: Shop, app: Service, sql: Sql
) -> None:
    product, other = await shop.offer(stock=8), await shop.offer(stock=1000)
    for _ in range(4):
        await _make_overdue(sql, await shop.placed({product["sku"]: 2, other["sku"]: 1}))
    orders = [shop.order({product["sku"]: 1, other["sku"]: 1}) for _ in range(30)]
    sweeps = [expire_overdue(app.component(Database)) for _ in range(5)]
    answers = (await asyncio.gather(*orders, *sweeps))[:30]
    statuses = sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
    assert statuses == [201] * 8 + [409] * 22
    assert await _reserved(sql, product) == (8, 8)
    assert await _reserved(sql, other) == (8, 8)


async def test_products_can_be_changed_and_deleted_while_they_are_ordered(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    product = await shop.offer(stock=1000)
    path = f"/v1/products/{product['id']}"
    orders = [shop.order({product["sku"]: 1}) for _ in range(20)]
    renames = [
        client.patch(path, json={"sku": f"renamed-{number}"}, headers=shop.admin) for number in range(5)
    ]
    answers = await asyncio.gather(*orders, *renames, client.delete(path, headers=shop.admin))
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 404, 422}
    placed = sum(answer.status_code == 201 for answer in answers)
    assert answers[-1].status_code == 204
    lines = await sql.fetchval("SELECT count(*) FROM order_items WHERE sku = $1", product["sku"])
    assert lines == placed


async def test_running_service_sweeps_periodically(
    shop: Shop, settings: Settings, mint: TokenMint, sql: Sql
) -> None:
    product, user_id = await shop.offer(stock=5), uuid4()
    order = await shop.placed({product["sku"]: 3}, buyer=shop.buyer(user_id), key="k")
    await _make_overdue(sql, order)
    await sql.execute("UPDATE idempotency_keys SET expires_at = now() WHERE user_id = $1", user_id)
    eager = settings.model_copy(update={"sweep_seconds": 0.05})

    async def is_swept() -> bool:
        status = await sql.fetchval("SELECT status FROM orders WHERE id = $1", order["id"])
        keys = await sql.fetchval("SELECT count(*) FROM idempotency_keys WHERE user_id = $1", user_id)
        return (status, keys) == ("expired", 0)

    async with running(create_app(eager, issuers=[mint.issuer])):
        await until(is_swept)
    assert await _reserved(sql, product) == (0, 0)
