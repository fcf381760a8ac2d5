"""The catalogue: roles, prices, and unique SKUs."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.services.payment.shop import Shop, Sql, pointers, problem


async def test_product_is_read_as_it_was_created(shop: Shop, client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/products",
        json={
            "sku": "tea-1",
            "name": "  Earl Grey  ",
            "description": "100 g",
            "unit_price": "40.28",
            "currency": "eur",
            "stock": 7,
        },
        headers=shop.admin,
    )
    assert answer.status_code == 201
    product = answer.json()
    assert answer.headers["location"] == f"/v1/products/{product['id']}"
    assert product | {"id": None, "created_at": None, "updated_at": None} == {
        "id": None,
        "sku": "tea-1",
        "name": "Earl Grey",
        "description": "100 g",
        "unit_price": "40.28",
        "currency": "eur",
        "active": True,
        "stock": 7,
        "available": 7,
        "created_at": None,
        "updated_at": None,
    }
    for reference in (product["id"], "tea-1"):
        assert (await client.get(f"/v1/products/{reference}")).json() == product


async def test_reading_the_catalogue_needs_no_token_and_writing_an_admins(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    product = await shop.offer()
    path = f"/v1/products/{product['sku']}"
    body = {"sku": "x", "name": "x", "unit_price": "1.00", "currency": "eur"}
    assert (await client.get("/v1/products")).status_code == 200
    for headers, expected in ((None, (401, "unauthorized")), (shop.buyer(), (403, "forbidden"))):
        assert problem(await client.post("/v1/products", json=body, headers=headers)) == expected
        assert problem(await client.patch(path, json={"name": "y"}, headers=headers)) == expected
        assert problem(await client.delete(path, headers=headers)) == expected
    assert (await client.get(path)).json() == product


async def test_a_token_that_is_sent_to_the_catalogue_must_be_valid(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/products", headers={"Authorization": "Bearer nonsense"})
    assert problem(answer) == (401, "unauthorized")


async def test_inactive_product_is_shown_to_admins_only(shop: Shop, client: httpx.AsyncClient) -> None:
    product = await shop.offer(active=False)
    path = f"/v1/products/{product['sku']}"
    assert problem(await client.get(path, headers=shop.buyer())) == (404, "product-not-found")
    assert (await client.get(path, headers=shop.admin)).json() == product
    for headers, shown in ((shop.buyer(), False), (shop.admin, True)):
        listed = (await client.get("/v1/products?active=false", headers=headers)).json()["items"]
        assert (product in listed) == shown


async def test_list_pages_through_every_product_once_newest_first(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    offered = [(await shop.offer())["sku"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        answer = await client.get(
            "/v1/products", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        )
        page = answer.json()
        seen += [product["sku"] for product in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:5] == offered[::-1]
    assert len(set(seen)) == len(seen)


async def test_cursor_of_another_list_is_refused(shop: Shop, client: httpx.AsyncClient) -> None:
    await shop.offer()
    await shop.offer()
    page = (await client.get("/v1/products?limit=1", headers=shop.admin)).json()
    answer = await client.get("/v1/products", params={"cursor": page["next_cursor"]})
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == ["#query/cursor"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"unit_price": 12.5}, "#/unit_price"),
        ({"unit_price": 12}, "#/unit_price"),
        ({"unit_price": "12.5"}, "#/unit_price"),
        ({"unit_price": "12"}, "#/unit_price"),
        ({"unit_price": "12.505"}, "#/unit_price"),
        ({"unit_price": "0.00"}, "#/unit_price"),
        ({"unit_price": "-1.00"}, "#/unit_price"),
        ({"unit_price": "1e2"}, "#/unit_price"),
        ({"unit_price": "NaN"}, "#/unit_price"),
        ({"unit_price": "1000000.00"}, "#/unit_price"),
        ({"unit_price": "12.50", "currency": "jpy"}, "#/unit_price"),
        ({"unit_price": "1.234", "currency": "kwd"}, "#/unit_price"),
        ({"currency": "EUR"}, "#/currency"),
        ({"currency": "xxx"}, "#/currency"),
        ({"sku": ""}, "#/sku"),
        ({"sku": "a/b"}, "#/sku"),
        ({"sku": "0192d9a4-6b1e-7c3f-9a55-3f0c6f5f1c11"}, "#/sku"),
        ({"sku": "x" * 65}, "#/sku"),
        ({"name": "   "}, "#/name"),
        ({"name": "nul\x00"}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"description": "nul\x00"}, "#/description"),
        ({"description": "x" * 5001}, "#/description"),
        ({"stock": -1}, "#/stock"),
        ({"stock": 2**31}, "#/stock"),
        ({"stock": 1.5}, "#/stock"),
        ({"stock": True}, "#/stock"),
        ({"active": "yes"}, "#/active"),
        ({"reserved": 3}, "#/reserved"),
    ],
)
async def test_an_invalid_field_is_refused_with_its_pointer(
    shop: Shop, client: httpx.AsyncClient, sql: Sql, fields: dict[str, Any], pointer: str
) -> None:
    usual = {"sku": "never-stored", "name": "Tea", "unit_price": "12.50", "currency": "eur"}
    answer = await client.post("/v1/products", json=usual | fields, headers=shop.admin)
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == [pointer]
    assert await sql.fetchval("SELECT count(*) FROM products WHERE sku = 'never-stored'") == 0


async def test_half_of_a_surrogate_pair_is_refused(shop: Shop, client: httpx.AsyncClient) -> None:
    body = rb'{"sku": "x", "name": "\ud800", "unit_price": "1.00", "currency": "eur"}'
    headers = shop.admin | {"Content-Type": "application/json"}
    answer = await client.post("/v1/products", content=body, headers=headers)
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == ["#/name"]


@pytest.mark.parametrize(
    ("currency", "price"), [("jpy", "1000"), ("isk", "1500"), ("kwd", "1.230"), ("usd", "999999.99")]
)
async def test_price_has_the_decimals_of_its_currency(shop: Shop, currency: str, price: str) -> None:
    product = await shop.offer(currency=currency, unit_price=price)
    assert (product["unit_price"], product["currency"]) == (price, currency)


async def test_taken_sku_is_a_conflict(shop: Shop, client: httpx.AsyncClient) -> None:
    product, other = await shop.offer(), await shop.offer()
    body = {"sku": product["sku"], "name": "x", "unit_price": "1.00", "currency": "eur"}
    assert problem(await client.post("/v1/products", json=body, headers=shop.admin)) == (409, "sku-taken")
    answer = await client.patch(
        f"/v1/products/{other['id']}", json={"sku": product["sku"]}, headers=shop.admin
    )
    assert problem(answer) == (409, "sku-taken")


async def test_many_admins_creating_one_sku_make_one_product(
    shop: Shop, client: httpx.AsyncClient, sql: Sql, mint: Any
) -> None:
    body = {"sku": "contended", "name": "x", "unit_price": "1.00", "currency": "eur"}
    admins = [mint.headers(roles=("admin",)) for _ in range(20)]
    answers = await asyncio.gather(
        *(client.post("/v1/products", json=body, headers=admin) for admin in admins)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await sql.fetchval("SELECT count(*) FROM products WHERE sku = 'contended'") == 1


async def test_change_updates_only_the_given_fields_and_null_clears_one(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    product = await shop.offer(description="old", stock=5)
    path = f"/v1/products/{product['sku']}"
    renamed = (await client.patch(path, json={"name": "New"}, headers=shop.admin)).json()
    assert renamed == product | {"name": "New", "updated_at": renamed["updated_at"]}
    assert renamed["updated_at"] > product["updated_at"]
    cleared = await client.patch(path, json={"description": None, "stock": None}, headers=shop.admin)
    assert (cleared.json()["description"], cleared.json()["stock"], cleared.json()["available"]) == (
        None,
    ) * 3
    unchanged = await client.patch(path, json={}, headers=shop.admin)
    assert unchanged.json() == cleared.json()


@pytest.mark.parametrize("field", ["sku", "name", "unit_price", "currency", "active"])
async def test_null_for_a_required_field_is_refused(
    shop: Shop, client: httpx.AsyncClient, field: str
) -> None:
    product = await shop.offer()
    answer = await client.patch(f"/v1/products/{product['id']}", json={field: None}, headers=shop.admin)
    assert problem(answer) == (422, "invalid-request")
    assert pointers(answer) == [f"#/{field}"]


async def test_changed_price_and_currency_must_fit_each_other(shop: Shop, client: httpx.AsyncClient) -> None:
    path = f"/v1/products/{(await shop.offer(unit_price='12.50', currency='eur'))['id']}"

    async def change(**fields: str) -> httpx.Response:
        return await client.patch(path, json=fields, headers=shop.admin)

    assert pointers(await change(unit_price="12.505")) == ["#/unit_price"]
    assert pointers(await change(currency="jpy")) == ["#/currency"]
    assert (await change(currency="usd")).json()["unit_price"] == "12.50"
    changed = (await change(currency="jpy", unit_price="1300")).json()
    assert (changed["unit_price"], changed["currency"]) == ("1300", "jpy")
    assert (await change(currency="usd")).json()["unit_price"] == "1300.00"


async def test_deleted_product_is_gone_and_its_sku_can_be_used_again(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    product = await shop.offer()
    path = f"/v1/products/{product['sku']}"
    assert (await client.delete(path, headers=shop.admin)).status_code == 204
    for answer in (
        await client.get(path),
        await client.delete(path, headers=shop.admin),
        await client.patch(path, json={}, headers=shop.admin),
        await client.get(f"/v1/products/{uuid4()}"),
    ):
        assert problem(answer) == (404, "product-not-found")
    await shop.offer(sku=product["sku"])


async def test_stock_cannot_be_set_below_what_is_reserved(shop: Shop, client: httpx.AsyncClient) -> None:
    product = await shop.offer(stock=10)
    path = f"/v1/products/{product['id']}"
    await shop.placed({product["sku"]: 4})
    assert problem(await client.patch(path, json={"stock": 3}, headers=shop.admin)) == (409, "stock-reserved")
    shrunk = (await client.patch(path, json={"stock": 4}, headers=shop.admin)).json()
    assert (shrunk["stock"], shrunk["available"]) == (4, 0)
