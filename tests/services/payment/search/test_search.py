"""Admins find an order by what they have at hand."""

from uuid import uuid4

import pytest

from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import problem


async def search(purchases: Purchases, q: str) -> list[str]:
    answer = await purchases.client.get("/v1/orders", params={"q": q}, headers=purchases.shop.admin)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["items"]]


async def test_each_id_finds_exactly_its_order(purchases: Purchases) -> None:
    user_id = uuid4()
    email = f"{user_id.hex[:12]}@example.com"
    buyer = purchases.shop.buyer(user_id)
    await purchases.paid(buyer=purchases.buyer())
    paid = await purchases.paid(buyer=buyer)
    (intent,) = purchases.intents_of(paid)
    refund = (await purchases.refund(paid, amount="1.00")).json()
    for q in (paid["id"], intent["id"], intent["latest_charge"], refund["stripe_id"], paid["receipt_number"]):
        assert await search(purchases, q) == [paid["id"]], q
    open_order = await purchases.ordered(buyer=buyer)
    await purchases.checkout(open_order, buyer=buyer)
    (session,) = purchases.account.all("checkout.session")
    assert await search(purchases, session["id"]) == [open_order["id"]]
    assert await search(purchases, f" {intent['id']}\n") == [paid["id"]]
    assert await search(purchases, email.upper()) == [open_order["id"], paid["id"]]


@pytest.mark.parametrize("q", ["pi_none", "ch_none", "re_none", "", "%", "2026-1", "a@b", "\u202e", "0" * 36])
async def test_what_stands_for_nothing_finds_nothing(purchases: Purchases, q: str) -> None:
    await purchases.ordered(buyer=purchases.buyer())
    assert await search(purchases, q) == []


async def test_customers_do_not_search(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    answer = await purchases.client.get("/v1/orders", params={"q": order["id"]}, headers=buyer)
    assert problem(answer) == (403, "forbidden")
