"""The lists, whose JSON PostgreSQL writes: each item equals the one that is read alone, and its model's JSON."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import Numeric, Text, bindparam, select

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from payment.currencies import CURRENCIES
from payment.money import show_amount
from payment.money_columns import amount_as_text
from payment.orders.schemas import Order
from payment.products.schemas import Product
from tests.clients import counting_statements
from tests.services.payment.shop import Shop, Sql
from webcommon.api.paging import Page
from webcommon.app.service import Service

WRITTEN = DriverStatement(
    select(
        amount_as_text(bindparam("amount", type_=Numeric(18, 3)), bindparam("currency", type_=Text())).label(
            "text"
        )
    )
)
ODD_TEXT = 'A "quoted" \\ back\tslash \x1f 日本 😀 \u2028 </script>'


async def everything(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The items of all pages of a list; each page equals its model's JSON."""
    model = Page[Order] if path == "/v1/orders" else Page[Product]
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"limit": 3, **cursor}, headers=headers)
        assert answer.status_code == 200, answer.text
        page = model.model_validate_json(answer.content)
        assert json.loads(page.model_dump_json()) == answer.json()
        items += answer.json()["items"]
        if page.next_cursor is None:
            return items
        cursor = {"cursor": page.next_cursor}


async def test_products_are_listed_as_they_are_read(shop: Shop, client: httpx.AsyncClient, sql: Sql) -> None:
    await shop.offer(name=ODD_TEXT, description=ODD_TEXT, stock=0, active=False)
    for currency, price in (("jpy", "500"), ("kwd", "12.340"), ("eur", "999999.99"), ("isk", "7")):
        await shop.offer(currency=currency, unit_price=price, stock=2_147_483_647)
    for number, moment in enumerate(("2001-02-03 04:05:06+02", "0999-01-01 00:00:00.5+00")):
        await sql.execute(
            "INSERT INTO products (id, sku, name, unit_price, currency, created_at)"
            " VALUES (gen_random_uuid(), $1, 'odd', 12.345, 'eur', $2::text::timestamptz)",
            f"odd-{number}",
            moment,
        )
    listed = await everything(client, "/v1/products", shop.admin)
    assert len(listed) == 7
    for product in listed:
        read = await client.get(f"/v1/products/{product['id']}", headers=shop.admin)
        assert list(product.items()) == list(read.json().items())


async def test_orders_are_listed_as_they_are_read(shop: Shop, client: httpx.AsyncClient, sql: Sql) -> None:
    buyer = shop.buyer()
    for currency, price in (("jpy", "500"), ("kwd", "12.340"), ("eur", "999.99"), ("ugx", "7")):
        limited = await shop.offer(name=ODD_TEXT, currency=currency, unit_price=price, stock=9)
        free = await shop.offer(currency=currency, unit_price=price)
        await shop.placed({limited["sku"]: 3, free["sku"]: 7}, buyer=buyer)
        await shop.placed({free["sku"]: 1}, buyer=buyer)
    await sql.execute("UPDATE orders SET created_at = '2001-02-03 04:05:06+02' WHERE currency = 'jpy'")
    listed = await everything(client, "/v1/orders", buyer)
    assert len(listed) == 8
    for order in listed:
        read = await client.get(f"/v1/orders/{order['id']}", headers=buyer)
        assert list(order.items()) == list(read.json().items())
    assert await everything(client, "/v1/orders", shop.buyer()) == []


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/products"])
async def test_a_page_is_one_statement(
    shop: Shop, app: Service, client: httpx.AsyncClient, path: str
) -> None:
    buyer = shop.buyer()
    product = await shop.offer()
    await shop.placed({product["sku"]: 1}, buyer=buyer)
    async with counting_statements(app.component(Database)) as statements:
        assert (await client.get(path, headers=buyer)).json()["items"]
    assert len(statements) == 1


async def test_postgres_and_python_write_amounts_alike(sql: Sql) -> None:
    amounts = [
        Decimal(text) for text in ("1.000", "1234567.890", "0.500", "12.345", "7.010", "999999999999999.999")
    ]
    for code in [*CURRENCIES, "xxx"]:
        for amount in amounts:
            arguments = WRITTEN.arguments({"amount": amount, "currency": code})
            assert await sql.fetchval(WRITTEN.sql, *arguments) == show_amount(amount, code)
