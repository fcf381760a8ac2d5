"""Placing, reading and listing orders."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.services.payment.shop import Headers, Shop, Sql, pointers, problem


async def test_order_has_the_catalogues_prices_and_their_sum(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    tea = await shop.offer(name="Tea", unit_price="12.50")
    cup = await shop.offer(name="Cup", unit_price="7.64")
    user_id = uuid4()
    buyer = shop.buyer(user_id)
    answer = await shop.order({tea["sku"]: 2, cup["sku"]: 3}, buyer=buyer)
    assert answer.status_code == 201
    order = answer.json()
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert "idempotent-replayed" not in answer.headers
    assert (order["status"], order["total_amount"], order["currency"]) == ("pending", "47.92", "eur")
    assert (order["user_id"], order["expires_at"]) == (str(user_id), None)
    assert [item | {"id": None} for item in order["items"]] == [
        {
            "id": None,
            "sku": tea["sku"],
            "product_name": "Tea",
            "quantity": 2,
            "unit_price": "12.50",
            "total_price": "25.00",
        },
        {
            "id": None,
            "sku": cup["sku"],
            "product_name": "Cup",
            "quantity": 3,
            "unit_price": "7.64",
            "total_price": "22.92",
        },
    ]
    read = await client.get(f"/v1/orders/{order['id']}", headers=buyer)
    assert read.json() == order
    listed = await client.get("/v1/orders", headers=buyer)
    assert listed.json() == {"items": [order], "next_cursor": None}
    stored = await sql.fetchrow("SELECT total_amount::text, user_id FROM orders WHERE id = $1", order["id"])
    assert stored is not None
    assert (stored["total_amount"], stored["user_id"]) == ("47.920", user_id)


@pytest.mark.parametrize(
    ("currency", "price", "quantity", "total"),
    [
        ("jpy", "333", 3, "999"),
        ("isk", "1000", 2, "2000"),
        ("kwd", "1.230", 7, "8.610"),
        ("usd", "0.10", 3, None),
        ("usd", "0.10", 5, "0.50"),
        ("usd", "999999.99", 1, "999999.99"),
        ("idr", "9999999999.99", 1, "9999999999.99"),
        ("idr", "9999999.99", 1000, "9999999990.00"),
        ("cop", "99999999.99", 1, "99999999.99"),
        ("jpy", "9999999999", 1, "9999999999"),
    ],
)
async def test_total_is_exact_in_every_kind_of_currency(
    shop: Shop, currency: str, price: str, quantity: int, total: str | None
) -> None:
    product = await shop.offer(currency=currency, unit_price=price)
    answer = await shop.order({product["sku"]: quantity})
    if total is None:
        assert problem(answer) == (422, "amount-too-small")
        assert pointers(answer) == ["#/items"]
    else:
        assert answer.json()["total_amount"] == total


async def test_total_above_the_maximum_charge_is_refused(shop: Shop) -> None:
    dear, other = await shop.offer(unit_price="999999.99"), await shop.offer(unit_price="0.01")
    assert problem(await shop.order({dear["sku"]: 2})) == (422, "amount-too-large")
    assert problem(await shop.order({dear["sku"]: 1, other["sku"]: 1})) == (422, "amount-too-large")
    assert problem(await shop.order({dear["sku"]: 1000})) == (422, "amount-too-large")
    rupiah = await shop.offer(currency="idr", unit_price="5000000000.00")
    assert problem(await shop.order({rupiah["sku"]: 2})) == (422, "amount-too-large")


async def test_lines_keep_name_and_price_when_the_product_is_changed_or_deleted(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    product = await shop.offer(name="Before", unit_price="10.00", stock=5)
    buyer = shop.buyer()
    order = await shop.placed({product["sku"]: 1}, buyer=buyer)
    path = f"/v1/products/{product['id']}"
    await client.patch(path, json={"name": "After", "unit_price": "99.00"}, headers=shop.admin)
    assert (await client.get(f"/v1/orders/{order['id']}", headers=buyer)).json() == order
    assert (await client.delete(path, headers=shop.admin)).status_code == 204
    assert (await client.get(f"/v1/orders/{order['id']}", headers=buyer)).json() == order


async def test_price_in_an_order_is_refused(shop: Shop) -> None:
    product = await shop.offer()
    answer = await shop.order([{"sku": product["sku"], "quantity": 1, "unit_price": "0.01"}])
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == ["#/items/0/unit_price"]


@pytest.mark.parametrize("quantity", [0, -1, 1001, 2**31, 1.5, "2", True, None])
async def test_quantity_is_a_whole_number_from_1_to_1000(shop: Shop, quantity: Any) -> None:
    product = await shop.offer()
    answer = await shop.order([{"sku": product["sku"], "quantity": quantity}])
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == ["#/items/0/quantity"]


async def test_thousand_pieces_can_be_ordered_and_a_hundred_lines(shop: Shop, sql: Sql) -> None:
    product = await shop.offer(unit_price="1.00")
    assert (await shop.placed({product["sku"]: 1000}))["total_amount"] == "1000.00"
    skus = [f"one-of-many-{number}" for number in range(100)]
    await sql.execute(
        "INSERT INTO products (sku, name, unit_price, currency) SELECT unnest($1::text[]), 'One', 1, 'eur'",
        skus,
    )
    order = await shop.placed(dict.fromkeys(skus, 1))
    assert [item["sku"] for item in order["items"]] == skus
    over = await shop.order(dict.fromkeys([*skus, product["sku"]], 1))
    assert (problem(over), pointers(over)) == ((422, "invalid-request"), ["#/items"])


async def test_order_without_lines_is_refused(shop: Shop) -> None:
    answer = await shop.order([])
    assert (problem(answer), pointers(answer)) == ((422, "invalid-request"), ["#/items"])


async def test_every_line_that_is_not_for_sale_is_pointed_at(shop: Shop) -> None:
    good, inactive = await shop.offer(), await shop.offer(active=False)
    answer = await shop.order({"unknown": 1, good["sku"]: 1, inactive["sku"]: 1})
    assert problem(answer) == (422, "product-not-for-sale")
    assert pointers(answer) == ["#/items/0/sku", "#/items/2/sku"]


async def test_lines_of_two_currencies_are_refused(shop: Shop) -> None:
    euro, dollar = await shop.offer(currency="eur"), await shop.offer(currency="usd")
    answer = await shop.order({euro["sku"]: 1, dollar["sku"]: 1})
    assert problem(answer) == (422, "mixed-currencies")
    assert pointers(answer) == ["#/items/1/sku"]


async def test_sku_in_two_lines_is_refused_rather_than_added_up(shop: Shop) -> None:
    product = await shop.offer()
    line = {"sku": product["sku"], "quantity": 1}
    answer = await shop.order([line, line])
    assert problem(answer) == (422, "duplicate-sku")
    assert pointers(answer) == ["#/items/1/sku"]


async def test_ordering_and_reading_orders_need_a_token(client: httpx.AsyncClient) -> None:
    body = {"items": [{"sku": "x", "quantity": 1}]}
    for answer in (
        await client.post("/v1/orders", json=body, headers={"Idempotency-Key": "k"}),
        await client.get("/v1/orders"),
        await client.get(f"/v1/orders/{uuid4()}"),
    ):
        assert problem(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_orders_of_others_are_shown_to_admins_only(shop: Shop, client: httpx.AsyncClient) -> None:
    product = await shop.offer()
    order = await shop.placed({product["sku"]: 1})
    path, stranger = f"/v1/orders/{order['id']}", shop.buyer()
    assert problem(await client.get(path, headers=stranger)) == (404, "order-not-found")
    assert (await client.get("/v1/orders", headers=stranger)).json()["items"] == []
    assert (await client.get(path, headers=shop.admin)).json() == order
    assert order in (await client.get("/v1/orders", headers=shop.admin)).json()["items"]
    assert problem(await client.get(f"/v1/orders/{uuid4()}", headers=shop.admin)) == (404, "order-not-found")


async def _list(client: httpx.AsyncClient, headers: Headers, **query: Any) -> list[str]:
    answer = await client.get("/v1/orders", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["items"]]


async def test_list_is_filtered_by_status_and_time(shop: Shop, client: httpx.AsyncClient, sql: Sql) -> None:
    product, buyer = await shop.offer(), shop.buyer()
    first, second, third = [await shop.placed({product["sku"]: 1}, buyer=buyer) for _ in range(3)]
    await sql.execute("UPDATE orders SET status = 'cancelled' WHERE id = $1", second["id"])
    ids = [third["id"], second["id"], first["id"]]
    assert await _list(client, buyer) == ids
    assert await _list(client, buyer, status="cancelled") == [second["id"]]
    assert await _list(client, buyer, status="pending") == [third["id"], first["id"]]
    assert await _list(client, buyer, created_after=first["created_at"]) == ids[:2]
    assert await _list(client, buyer, created_before=third["created_at"]) == ids[1:]
    between = {"created_after": first["created_at"], "created_before": third["created_at"]}
    assert await _list(client, buyer, **between) == [second["id"]]
    assert await _list(client, buyer, **between, status="paid") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"status": "lost"}, "#query/status"),
        ({"created_after": "yesterday"}, "#query/created_after"),
        ({"created_after": "12345"}, "#query/created_after"),
        ({"created_before": "12345.5"}, "#query/created_before"),
        ({"created_before": "2026-01-01T00:00:00"}, "#query/created_before"),
        ({"created_before": "9999-12-31T23:59:59-14:00"}, "#query/created_before"),
        ({"limit": 0}, "#query/limit"),
        ({"limit": 101}, "#query/limit"),
        ({"limit": "1_0"}, "#query/limit"),
        ({"cursor": "nonsense"}, "#query/cursor"),
    ],
)
async def test_an_invalid_filter_is_refused_with_its_pointer(
    shop: Shop, client: httpx.AsyncClient, query: dict[str, Any], pointer: str
) -> None:
    answer = await client.get("/v1/orders", params=query, headers=shop.buyer())
    assert (problem(answer), pointers(answer)) == ((422, "invalid-request"), [pointer])


async def test_list_pages_through_every_order_once_even_of_one_instant(
    shop: Shop, client: httpx.AsyncClient, sql: Sql
) -> None:
    product, buyer = await shop.offer(), shop.buyer()
    ids = {(await shop.placed({product["sku"]: 1}, buyer=buyer))["id"] for _ in range(7)}
    await sql.execute("UPDATE orders SET created_at = '2026-01-01T00:00:00Z' WHERE id = ANY($1::uuid[])", ids)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3, "status": "pending"}
    while True:
        page = (await client.get("/v1/orders", params=query, headers=buyer)).json()
        seen += [order["id"] for order in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 3
        query["cursor"] = page["next_cursor"]
    assert len(seen) == 7
    assert set(seen) == ids


async def test_cursor_belongs_to_its_caller_and_filter(shop: Shop, client: httpx.AsyncClient) -> None:
    product, buyer = await shop.offer(), shop.buyer()
    for _ in range(2):
        await shop.placed({product["sku"]: 1}, buyer=buyer)
    cursor = (await client.get("/v1/orders?limit=1", headers=buyer)).json()["next_cursor"]
    for headers, query in ((shop.buyer(), {}), (buyer, {"status": "paid"})):
        answer = await client.get("/v1/orders", params={"cursor": cursor} | query, headers=headers)
        assert (problem(answer), pointers(answer)) == ((422, "invalid-request"), ["#query/cursor"])
    assert len(await _list(client, buyer, cursor=cursor)) == 1


async def test_order_of_plain_sql_can_be_read(shop: Shop, client: httpx.AsyncClient, sql: Sql) -> None:
    user_id = uuid4()
    async with sql.transaction():
        await sql.execute("INSERT INTO users (id) VALUES ($1)", user_id)
        order_id = await sql.fetchval(
            "INSERT INTO orders (user_id, total_amount, currency) VALUES ($1, 10.005, 'eur') RETURNING id",
            user_id,
        )
        await sql.execute(
            "INSERT INTO order_items (order_id, product_name, quantity, unit_price, total_price)"
            " VALUES ($1, 'Odd', 1, 10.005, 10.005)",
            order_id,
        )
    order = (await client.get(f"/v1/orders/{order_id}", headers=shop.buyer(user_id))).json()
    assert (order["total_amount"], order["items"][0]["unit_price"]) == ("10.005", "10.005")


@pytest.mark.parametrize(("price", "currency"), [("10.005", "eur"), ("1.234", "kwd"), ("5", "zzz")])
async def test_product_of_plain_sql_with_an_unpayable_price_is_not_for_sale(
    shop: Shop, client: httpx.AsyncClient, sql: Sql, price: str, currency: str
) -> None:
    sku = f"odd-{currency}"
    await sql.execute(
        "INSERT INTO products (sku, name, unit_price, currency) VALUES ($1, 'Odd', $2::text::numeric, $3)",
        *(sku, price, currency),
    )
    assert problem(await shop.order({sku: 1})) == (422, "product-not-for-sale")
    assert (await client.get(f"/v1/products/{sku}")).json()["unit_price"] in (price, "5.000")
    path = f"/v1/products/{sku}"
    assert (await client.patch(path, json={"name": "x", "stock": 1}, headers=shop.admin)).status_code == 200
    mended = await client.patch(path, json={"currency": "eur", "unit_price": "10.00"}, headers=shop.admin)
    assert mended.status_code == 200
    await shop.placed({sku: 1})


def test_openapi_describes_money_as_a_string(client: httpx.AsyncClient, app: Any) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for schema, field in (
        ("NewProduct", "unit_price"),
        ("ProductChange", "unit_price"),
        ("Product", "unit_price"),
        ("Order", "total_amount"),
        ("OrderItem", "unit_price"),
        ("OrderItem", "total_price"),
    ):
        assert schemas[schema]["properties"][field]["type"] == "string"
