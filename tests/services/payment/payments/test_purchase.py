"""A purchase from the order to the receipt's number."""

import asyncio

import pytest

from dbcommon.models import new_id
from payment.payments.errors import CheckoutUrlRefused
from payment.payments.schemas import NewCheckout
from payment.payments.service import start_checkout
from payment.settings import Settings
from tests.services.payment.purchases import Purchases, figures


async def test_order_is_paid_once_its_payment_succeeds(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered("12.50", quantity=2, buyer=buyer)
    payment = (await purchases.pay(order, buyer=buyer)).json()
    assert payment["payment"]["status"] == "requires_payment_method"
    assert payment["publishable_key"].startswith("pk_test_")
    (intent,) = purchases.intents_of(order)
    assert (intent["amount"], intent["currency"]) == (2500, "eur")
    assert intent["automatic_payment_methods"] == {"enabled": True, "allow_redirects": "never"}
    assert (await purchases.account.confirm(payment["client_secret"])).status_code == 200
    await purchases.catch_up()
    paid = await purchases.read(order, buyer=buyer)
    assert figures(paid) == ("paid", "25.00", "0.00", "25.00", "0.00")
    assert paid["receipt_number"] is not None
    progress = await purchases.progress(order, buyer=buyer)
    assert (progress["status"], progress["client_secret"]) == ("succeeded", None)


async def test_decline_says_why_and_the_next_card_pays(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    secret = (await purchases.pay(order, buyer=buyer)).json()["client_secret"]
    assert (
        await purchases.account.confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
    ).status_code == 402
    await purchases.catch_up()
    progress = await purchases.progress(order, buyer=buyer)
    assert progress["status"] == "requires_payment_method"
    assert progress["last_error"]["decline_code"] == "insufficient_funds"
    assert progress["client_secret"] == secret
    assert (await purchases.account.confirm(secret)).status_code == 200
    await purchases.catch_up()
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


@pytest.mark.parametrize("calls", [20])
async def test_calls_at_once_make_one_customer_and_one_intent(purchases: Purchases, calls: int) -> None:
    buyer = purchases.buyer()
    customers = len(purchases.account.all("customer"))
    order = await purchases.ordered(buyer=buyer)
    answers = await asyncio.gather(*(purchases.pay(order, buyer=buyer) for _ in range(calls)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.json()["client_secret"] for answer in answers}) == 1
    assert len(purchases.intents_of(order)) == 1
    assert len(purchases.account.all("customer")) - customers == 1


async def test_checkout_without_an_origin_to_return_to_names_the_setting(
    purchases: Purchases, settings: Settings
) -> None:
    checkout = NewCheckout(success_url="https://shop.example/", cancel_url="https://shop.example/")
    with pytest.raises(CheckoutUrlRefused) as raised:
        await start_checkout(
            purchases.database, purchases.stripe, new_id(), checkout, owner=new_id(), allowed=()
        )
    assert "checkout_return_origins" in type(settings).model_fields
    assert "PAYMENT_CHECKOUT_RETURN_ORIGINS" in str(raised.value.detail)
