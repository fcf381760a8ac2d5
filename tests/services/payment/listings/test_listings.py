"""Lists of payments, refunds and disputes."""

from typing import Any

from payment.disputes.schemas import Dispute
from payment.payments.schemas import Payment
from payment.refunds.schemas import Refund
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Headers, problem
from webcommon.api.paging import Page

MODELS: dict[str, Any] = {"payments": Page[Payment], "refunds": Page[Refund], "disputes": Page[Dispute]}


async def listed(purchases: Purchases, name: str, headers: Headers, **query: Any) -> list[dict[str, Any]]:
    """The items of all pages, of two each."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        params = {"limit": 2, **query, **cursor}
        answer = await purchases.client.get(f"/v1/{name}", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        page = MODELS[name].model_validate_json(answer.content)
        assert page.model_dump(mode="json") == answer.json()
        items += answer.json()["items"]
        if page.next_cursor is None:
            return items
        cursor = {"cursor": page.next_cursor}


async def test_customers_list_their_payments_and_admins_all(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    paid = [await purchases.paid(buyer=buyer) for _ in range(3)]
    declined = await purchases.ordered("7.00", buyer=buyer, currency="usd")
    secret = await purchases.secret(declined, buyer=buyer)
    await purchases.account.confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
    await purchases.catch_up()
    other = await purchases.paid(buyer=purchases.buyer())
    mine = await listed(purchases, "payments", buyer)
    assert [each["order_id"] for each in mine] == [each["id"] for each in (declined, *reversed(paid))]
    assert (mine[0]["status"], mine[0]["amount"], mine[0]["currency"]) == (
        "requires_payment_method",
        "7.00",
        "usd",
    )
    assert mine[0]["last_error"]["decline_code"] == "insufficient_funds"
    admin = purchases.shop.admin
    everything = await listed(purchases, "payments", admin)
    assert [each["order_id"] for each in everything[:1]] == [other["id"]]
    assert everything[1:5] == mine
    assert await listed(purchases, "payments", buyer, status="succeeded") == mine[1:]
    assert await listed(purchases, "payments", admin, created_after=mine[1]["created_at"]) == everything[:2]
    for payment in mine:
        read = await purchases.client.get(f"/v1/payments/{payment['id']}", headers=buyer)
        assert read.json() == payment
        for stripe_id in filter(None, (payment["stripe_payment_intent_id"], payment["stripe_charge_id"])):
            assert await listed(purchases, "payments", buyer, stripe_id=stripe_id) == [payment]
    foreign = everything[0]
    assert await listed(purchases, "payments", buyer, stripe_id=foreign["stripe_payment_intent_id"]) == []
    read = await purchases.client.get(f"/v1/payments/{foreign['id']}", headers=buyer)
    assert problem(read) == (404, "payment-not-found")


async def test_a_payment_is_found_by_each_of_its_attempts(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    await purchases.pay(order, buyer=buyer)
    await purchases.checkout(order, buyer=buyer)
    (intent,), (session,) = purchases.intents_of(order), purchases.account.all("checkout.session")
    for stripe_id in (intent["id"], session["id"]):
        (payment,) = await listed(purchases, "payments", buyer, stripe_id=stripe_id)
        assert payment["order_id"] == order["id"]


async def test_admins_list_refunds_and_disputes(purchases: Purchases) -> None:
    buyer, admin = purchases.buyer(), purchases.shop.admin
    order = await purchases.paid("9.00", buyer=buyer)
    refunds = [
        (await purchases.refund(order, amount=amount, note="dented")).json()
        for amount in ("1.00", "2.00", "3.00")
    ]
    assert (await listed(purchases, "refunds", admin))[:3] == refunds[::-1]
    assert await listed(purchases, "refunds", admin, stripe_id=refunds[1]["stripe_id"]) == [refunds[1]]
    assert await listed(purchases, "refunds", admin, status="failed") == []
    disputed = await purchases.ordered("9.00", buyer=buyer)
    secret = await purchases.secret(disputed, buyer=buyer)
    await purchases.account.confirm(secret, "pm_card_createDispute")
    purchases.account.advance(5)
    await purchases.catch_up()
    (given,) = purchases.account.all("dispute")
    (dispute,) = await listed(purchases, "disputes", admin, stripe_id=given["id"])
    assert (dispute["order_id"], dispute["status"], dispute["amount"]) == (
        disputed["id"],
        "needs_response",
        "9.00",
    )
    assert (dispute["amount_withdrawn"], dispute["reason"]) == ("9.00", given["reason"])
    assert dispute["evidence_due_by"] is not None
    assert await listed(purchases, "disputes", admin, status="needs_response") == [dispute]
    assert await listed(purchases, "disputes", admin, created_before=dispute["created_at"]) == []
    for path in ("/v1/refunds", "/v1/disputes"):
        assert problem(await purchases.client.get(path, headers=buyer)) == (403, "forbidden")
