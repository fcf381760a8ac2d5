"""Checkout sessions, their page, and disputes of the stand-in for Stripe."""

import re
from typing import Any

import httpx
import pytest
import stripe

from standins.stripe.standin import StandIn
from tests.standins.stripe_clients import KEY, error_of, intent_of


def session_of(**more: Any) -> Any:
    """The parameters of a session for three pieces at 7.00 usd."""
    price = {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Tea <b>"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 3}],
        "success_url": "https://shop.example/ok?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart",
        "metadata": {"order": "1"},
        "payment_intent_data": {"metadata": {"order": "2"}},
    } | more


def types_since(standin: StandIn, count: int) -> list[str]:
    """The types of the events after the first `count`."""
    return [event["type"] for event in list(standin.account.objects["event"].values())[count:]]


async def press(http: httpx.AsyncClient, url: str, action: str) -> httpx.Response:
    """Press a button of the Checkout page."""
    return await http.post(url, data={"action": action})


async def test_a_session_is_paid_on_its_page(
    standin: StandIn, client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    made = await client.v1.checkout.sessions.create_async(session_of())
    assert (made.status, made.payment_status, made.payment_intent, made.amount_total) == (
        "open",
        "unpaid",
        None,
        2100,
    )
    url = made.url or ""
    page = (await http.get(url)).text
    assert "3 &times; Tea &lt;b&gt;: $21.00 usd" in page
    assert re.findall(r'value="(\w+)"', page) == ["pay", "decline", "three_d_secure", "leave"]
    assert (await press(http, url, "leave")).headers["location"] == "https://shop.example/cart"
    declined = await press(http, url, "decline")
    assert (declined.status_code, "Your card was declined." in declined.text) == (402, True)
    count = len(standin.account.objects["event"])
    paid = await press(http, url, "pay")
    assert paid.headers["location"] == f"https://shop.example/ok?session={made.id}"
    read = await client.v1.checkout.sessions.retrieve_async(
        made.id, {"expand": ["payment_intent", "line_items"]}
    )
    assert (read.status, read.payment_status) == ("complete", "paid")
    assert read.to_dict()["metadata"] == {"order": "1"}
    assert isinstance(read.payment_intent, stripe.PaymentIntent)
    assert read.payment_intent.status == "succeeded"
    assert read.payment_intent.to_dict()["metadata"] == {"order": "2"}
    assert read.line_items is not None
    assert [line.quantity for line in read.line_items.data] == [3]
    assert types_since(standin, count) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert "status of complete" in (await http.get(url)).text


@pytest.mark.parametrize(("succeeds", "status"), [("true", "complete"), ("false", "open")])
async def test_a_session_is_paid_after_3_d_secure_or_stays_open(
    client: stripe.StripeClient, http: httpx.AsyncClient, succeeds: str, status: str
) -> None:
    made = await client.v1.checkout.sessions.create_async(session_of())
    bank = (await press(http, made.url or "", "three_d_secure")).headers["location"]
    back = (await http.post(bank, data={"succeeds": succeeds})).headers["location"]
    assert back.startswith(
        f"https://shop.example/ok?session={made.id}" if succeeds == "true" else str(made.url)
    )
    assert (await client.v1.checkout.sessions.retrieve_async(made.id)).status == status


async def test_an_open_session_expires_on_demand_or_in_time_and_a_paid_one_does_not(
    standin: StandIn, client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    soon = int(standin.account.now) + 1801
    first, second, third = [
        await client.v1.checkout.sessions.create_async(session_of(expires_at=soon)) for _ in range(3)
    ]
    assert (await client.v1.checkout.sessions.expire_async(first.id)).status == "expired"
    await press(http, third.url or "", "pay")
    with pytest.raises(stripe.InvalidRequestError, match="status of complete"):
        await client.v1.checkout.sessions.expire_async(third.id)
    standin.account.advance(1900)
    read = [(await client.v1.checkout.sessions.retrieve_async(each.id)).status for each in (second, third)]
    assert read == ["expired", "complete"]
    assert (await press(http, f"/c/pay/{second.id}", "pay")).status_code == 400
    with pytest.raises(stripe.InvalidRequestError, match="at least 30 minutes"):
        await client.v1.checkout.sessions.create_async(session_of(expires_at=int(standin.account.now) + 60))


async def test_the_intent_of_a_session_is_neither_confirmed_nor_cancelled(
    client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    made = await client.v1.checkout.sessions.create_async(session_of())
    await press(http, made.url or "", "decline")
    intent = str((await client.v1.checkout.sessions.retrieve_async(made.id)).payment_intent)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.payment_intents.cancel_async(intent)
    assert error_of(raised.value)["code"] == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="created by a Checkout Session"):
        await client.v1.payment_intents.confirm_async(intent, {"payment_method": "pm_card_visa"})
    await client.v1.checkout.sessions.expire_async(made.id)
    assert (await client.v1.payment_intents.retrieve_async(intent)).status == "canceled"


@pytest.mark.parametrize(
    ("iban", "payment_status", "event"),
    [
        ("AT611904300234573201", "paid", "checkout.session.async_payment_succeeded"),
        ("AT861904300235473202", "unpaid", "checkout.session.async_payment_failed"),
    ],
)
async def test_a_debit_completes_a_session_before_its_money_comes(
    standin: StandIn,
    client: stripe.StripeClient,
    http: httpx.AsyncClient,
    iban: str,
    payment_status: str,
    event: str,
) -> None:
    price = {"currency": "eur", "unit_amount": 700, "product_data": {"name": "Tea"}}
    made = await client.v1.checkout.sessions.create_async(
        session_of(payment_method_types=["sepa_debit"], line_items=[{"price_data": price, "quantity": 1}])
    )
    method = await client.v1.payment_methods.create_async(
        {"type": "sepa_debit", "sepa_debit": {"iban": iban}}
    )
    count = len(standin.account.objects["event"])
    confirmed = await http.post(
        f"/v1/payment_pages/{made.id}/confirm",
        data={"payment_method": method.id, "expected_amount": "700"},
        auth=(KEY, ""),
    )
    assert (confirmed.json()["status"], confirmed.json()["payment_status"]) == ("complete", "unpaid")
    standin.account.advance(61)
    assert (await client.v1.checkout.sessions.retrieve_async(made.id)).payment_status == payment_status
    types = types_since(standin, count)
    assert types.index("checkout.session.completed") < types.index(event)


async def test_sessions_are_listed_by_intent_and_made_of_prices(
    client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    product = await client.v1.products.create_async({"name": "Tea"})
    price = await client.v1.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount": 450}
    )
    made = await client.v1.checkout.sessions.create_async(
        session_of(line_items=[{"price": price.id, "quantity": 2}])
    )
    assert made.amount_total == 900
    await press(http, made.url or "", "pay")
    intent = str((await client.v1.checkout.sessions.retrieve_async(made.id)).payment_intent)
    listed = await client.v1.checkout.sessions.list_async({"payment_intent": intent})
    assert [each.id for each in listed.data] == [made.id]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.checkout.sessions.create_async(session_of(line_items=[{"quantity": 2}]))
    assert raised.value.param == "line_items[0]"


async def test_a_dispute_takes_the_money_until_it_is_won(
    standin: StandIn, client: stripe.StripeClient
) -> None:
    paid = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_createDispute")
    )
    dispute = (await client.v1.disputes.list_async({"payment_intent": paid.id})).data[0]
    assert (dispute.status, dispute.amount, dispute.is_charge_refundable) == ("needs_response", 1999, False)
    assert [(each.amount, each.fee) for each in dispute.balance_transactions] == [(-1999, 1500)]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.refunds.create_async({"payment_intent": paid.id})
    assert raised.value.code == "charge_disputed"
    count = len(standin.account.objects["event"])
    won = await client.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    assert won.status == "won"
    assert [(each.amount, each.fee) for each in won.balance_transactions] == [(-1999, 1500), (1999, 0)]
    events = [each for each in types_since(standin, count) if each.startswith("charge.dispute")]
    assert events == [
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ]


async def test_an_inquiry_moves_no_money_and_can_be_refunded(client: stripe.StripeClient) -> None:
    paid = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_createDisputeInquiry")
    )
    inquiry = (await client.v1.disputes.list_async({"payment_intent": paid.id})).data[0]
    assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
    assert (await client.v1.refunds.create_async({"payment_intent": paid.id})).status == "succeeded"
    assert (await client.v1.disputes.close_async(inquiry.id)).status == "warning_closed"


async def test_a_dispute_is_opened_and_decided_on_demand(
    client: stripe.StripeClient, http: httpx.AsyncClient
) -> None:
    paid = await client.v1.payment_intents.create_async(
        intent_of(confirm=True, payment_method="pm_card_visa")
    )
    opened = await http.post(
        "/_control/disputes/open", json={"charge": str(paid.latest_charge), "amount": 2100}
    )
    assert opened.status_code == 200
    dispute = (await client.v1.disputes.list_async({"payment_intent": paid.id})).data[0]
    assert dispute.amount == 2100
    decided = await http.post("/_control/disputes/decide", json={"id": dispute.id, "outcome": "lost"})
    assert decided.status_code == 200
    assert (await client.v1.disputes.retrieve_async(dispute.id)).status == "lost"
    again = await http.post("/_control/disputes/decide", json={"id": dispute.id, "outcome": "won"})
    assert again.status_code == 400
