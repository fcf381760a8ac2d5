"""Carts of any products: the total is the sum of the lines, and what Stripe charges."""

import math
import random
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment.currencies import CURRENCIES, Currency
from payment.money import to_minor_units
from payment.orders.pricing import Basket, Offer, price_basket
from payment.orders.schemas import NewOrderItem
from standins.stripe import checkout_sessions, payment_intents
from standins.stripe.account import Account, Call
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import problem

CLASSES = (
    ("usd", "0.55", 55),
    ("jpy", "500", 500),
    ("ugx", "100", 10_000),
    ("isk", "7", 700),
    ("huf", "175.01", 17_501),
    ("twd", "800.45", 80_045),
    ("kwd", "5.120", 5_120),
    ("idr", "999999999.99", 99_999_999_999),
)
"""One of each class of currencies: a price, and Stripe's amount."""


def draw_cart(source: random.Random) -> tuple[list[NewOrderItem], dict[str, Offer], Currency]:
    """A cart of up to ten products in one currency, which can be charged."""
    currency = source.choice(sorted(CURRENCIES.values(), key=lambda each: each.code))
    left = currency.maximum // currency.step
    items, offers = [], {}
    for number in range(source.randint(1, 10)):
        quantity = source.choice((1, source.randint(1, 1000)))
        most = int(left // quantity)
        # The first line alone reaches the minimum.
        least = 1 if number else math.ceil(currency.minimum / (currency.step * quantity))
        if most < least:
            break
        steps = min(most, max(least, source.choice((source.randint(1, 9), source.randint(1, most)))))
        left -= steps * quantity
        sku = f"sku-{number}"
        items.append(NewOrderItem(sku=sku, quantity=quantity))
        offers[sku] = Offer(
            product_id=uuid4(),
            name="Tea",
            unit_price=steps * currency.step,
            currency=currency.code,
            available=None,
        )
    return items, offers, currency


def charged_by_intent(account: Account, basket: Basket) -> int:
    amount = to_minor_units(basket.total, basket.currency)
    made = payment_intents.create(account, Call({"amount": amount, "currency": basket.currency.code}))
    return int(made["amount"])


def charged_by_checkout(account: Account, basket: Basket) -> int:
    """What Stripe sums up itself, from the lines."""
    lines: list[dict[str, Any]] = [
        {
            "quantity": line.quantity,
            "price_data": {
                "currency": basket.currency.code,
                "unit_amount": to_minor_units(line.offer.unit_price, basket.currency),
                "product_data": {"name": line.offer.name},
            },
        }
        for line in basket.lines
    ]
    made = checkout_sessions.create(account, Call({"line_items": lines, "success_url": "https://a.test"}))
    return int(made["amount_total"])


@pytest.mark.parametrize("carts", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_total_is_the_sum_of_the_lines_and_what_stripe_charges(carts: int) -> None:
    source = random.Random(carts)  # noqa: S311 - the same carts each time
    account, seen = Account(), set()
    for number in range(carts):
        items, offers, currency = draw_cart(source)
        basket = price_basket(items, offers)
        prices = [offers[item.sku].unit_price * item.quantity for item in items]
        assert basket.total == sum(prices, Decimal(0)), number
        minor_units = to_minor_units(basket.total, currency)
        assert charged_by_intent(account, basket) == minor_units, number
        assert charged_by_checkout(account, basket) == minor_units, number
        seen.add(currency.code)
        account.reset()
    assert seen == set(CURRENCIES) or carts < 10_000


def test_prices_that_floats_would_change_are_kept() -> None:
    broken = [cents for cents in range(1, 10_001) if int(cents / 100 * 100) != cents]
    assert len(broken) == 573
    dollar = CURRENCIES["usd"]
    for cents in range(1, 10_001):
        assert to_minor_units(Decimal(f"{cents // 100}.{cents % 100:02}"), dollar) == cents


@pytest.mark.parametrize(("currency", "price", "minor_units"), CLASSES)
async def test_stripe_is_sent_the_price_in_its_own_units(
    purchases: Purchases, currency: str, price: str, minor_units: int
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(price, currency=currency, quantity=3, buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    (intent,) = purchases.intents_of(order)
    assert (intent["amount"], intent["currency"]) == (3 * minor_units, currency)
    other = await purchases.ordered(price, currency=currency, quantity=3, buyer=buyer)
    assert (await purchases.checkout(other, buyer=buyer)).status_code == 200
    (session,) = purchases.account.all("checkout.session")
    assert (session["amount_total"], session["currency"]) == (3 * minor_units, currency)
    assert (await purchases.account.confirm(secret)).status_code == 200
    await purchases.catch_up()
    paid = await purchases.read(order, buyer=buyer)
    assert (paid["status"], paid["amount_paid"]) == ("paid", order["total_amount"])
    assert (await purchases.refund(order, amount=price)).status_code == 201
    (refund,) = purchases.account.all("refund")
    assert refund["amount"] == minor_units
    assert UUID(refund["metadata"]["order_id"]) == UUID(order["id"])


async def test_price_between_two_steps_is_refused(purchases: Purchases) -> None:
    product = {"sku": "odd", "name": "Oud", "unit_price": "5.124", "currency": "kwd"}
    answer = await purchases.client.post("/v1/products", json=product, headers=purchases.shop.admin)
    assert problem(answer)[0] == 422
