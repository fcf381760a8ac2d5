"""Refunds: their amounts, their ends, and what is known when Stripe's answer is lost."""

import asyncio
import json

import pytest

from payment.verification.repository import find_faults
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Sql, problem

MAKE_DUE = "UPDATE refunds SET due_at = now() WHERE status = 'outcome_unknown'"
LEAVE_ALONE = "UPDATE refunds SET due_at = now() + interval '1 hour' WHERE status = 'outcome_unknown'"


async def test_partial_refunds_until_nothing_is_left(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid("25.99", buyer=buyer)
    answer = await purchases.refund(order, amount="25.00", reason="requested_by_customer", note="dented")
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert figures(await purchases.read(order, buyer=buyer)) == (
        "partially_refunded", "25.99", "25.00", "0.99", "0.00",
    )  # fmt: skip
    assert (await purchases.refund(order, amount="0.99")).status_code == 201
    assert figures(await purchases.read(order, buyer=buyer)) == (
        "refunded", "25.99", "25.99", "0.00", "0.00",
    )  # fmt: skip
    assert problem(await purchases.refund(order, amount="0.01")) == (422, "invalid-refund-amount")
    await purchases.catch_up()
    assert len(await purchases.refunds(order)) == 2
    mine = await purchases.client.get(f"/v1/orders/{order['id']}/refunds", headers=buyer)
    assert [each["note"] for each in mine.json()["items"]] == [None, None]


@pytest.mark.parametrize("amount", ["-1.00", "0.00", "1.001", "1", "1e2", "12.51", "NaN", ""])
async def test_amount_that_cannot_be_is_refused_and_not_sent(purchases: Purchases, amount: str) -> None:
    order = await purchases.paid(buyer=purchases.buyer())
    assert problem(await purchases.refund(order, amount=amount)) == (422, "invalid-refund-amount")
    assert purchases.account.all("refund") == []


async def test_parallel_refunds_never_exceed_what_was_paid(purchases: Purchases) -> None:
    order = await purchases.paid("100.00", buyer=purchases.buyer())
    answers = await asyncio.gather(*(purchases.refund(order, amount="60.00") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert sum(each["amount"] for each in purchases.account.all("refund")) == 6_000


async def test_requests_at_once_with_one_key_make_one_refund(purchases: Purchases) -> None:
    order = await purchases.paid(buyer=purchases.buyer())
    answers = await asyncio.gather(*(purchases.refund(order, amount="5.00", key="once") for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await purchases.refund(order, amount="5.00", key="once")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert len(purchases.account.all("refund")) == 1
    assert problem(await purchases.refund(order, amount="6.00", key="once")) == (
        422,
        "idempotency-key-reused",
    )


@pytest.mark.parametrize("kind", ["api_error", "drop_connection"])
async def test_refund_whose_answer_was_lost_is_found_and_not_repeated(
    purchases: Purchases, sql: Sql, kind: str
) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    purchases.account.break_next(kind, "/v1/refunds", when="after", times=9)
    answer = await purchases.refund(order, amount="5.00", key=f"lost by {kind}")
    assert len(purchases.account.all("refund")) == 1, answer.text
    if answer.status_code == 202:
        assert answer.json()["status"] == "outcome_unknown"
        assert figures(await purchases.read(order, buyer=buyer))[3] == "7.50"
        purchases.account.standin.faults.waiting.clear()
        await sql.execute(LEAVE_ALONE)
        assert (await purchases.refund(order, amount="5.00", key=f"lost by {kind}")).status_code == 202
        await sql.execute(MAKE_DUE)
        answer = await purchases.refund(order, amount="5.00", key=f"lost by {kind}")
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert len(purchases.account.all("refund")) == 1
    assert figures(await purchases.read(order, buyer=buyer))[2:4] == ("5.00", "7.50")


async def test_unknown_outcome_ends_by_the_sweep_with_one_refund(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    purchases.account.break_next("drop_connection", "/v1/refunds", times=9)
    purchases.account.break_next("drop_connection", "/v1/refunds", method="GET", times=9)
    assert (await purchases.refund(order)).status_code == 202
    purchases.account.standin.faults.waiting.clear()
    await sql.execute(MAKE_DUE)
    await purchases.sweep()
    assert figures(await purchases.read(order, buyer=buyer))[0] == "refunded"
    assert len(purchases.account.all("refund")) == 1


async def test_refund_that_stripe_does_not_know_after_a_day_was_not_made(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    purchases.account.break_next("drop_connection", "/v1/refunds", times=9)
    purchases.account.break_next("drop_connection", "/v1/refunds", method="GET", times=9)
    assert (await purchases.refund(order)).status_code == 202
    purchases.account.standin.faults.waiting.clear()
    await sql.execute("UPDATE refunds SET sent_at = now() - interval '25 hours', due_at = now()")
    await purchases.sweep()
    assert purchases.account.all("refund") == []
    (refund,) = await purchases.refunds(order)
    assert refund["status"] == "failed"
    assert figures(await purchases.read(order, buyer=buyer)) == ("paid", "12.50", "0.00", "12.50", "0.00")


async def test_refund_that_was_taken_for_one_not_made_is_booked_once_stripe_shows_it(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid("20.00", buyer=buyer)
    purchases.account.break_next("api_error", "/v1/refunds", times=9)
    failed = (await purchases.refund(order, amount="5.00")).json()
    assert (failed["status"], failed["failure_reason"]) == ("failed", "stripe_error")
    purchases.account.standin.faults.waiting.clear()
    sent = json.loads(await sql.fetchval("SELECT parameters FROM refunds WHERE id = $1", failed["id"]))
    made = await purchases.account.client.v1.refunds.create_async(sent)
    await purchases.catch_up()
    assert figures(await purchases.read(order, buyer=buyer))[2:4] == ("5.00", "15.00")
    assert [each["status"] for each in await purchases.refunds(order)] == ["succeeded"]
    async with purchases.database.transaction() as db:
        assert await find_faults(db, "refunds") == []
    await purchases.account.control("refunds/fail", id=made["id"])
    await purchases.catch_up()
    assert figures(await purchases.read(order, buyer=buyer))[:4] == ("paid", "20.00", "0.00", "20.00")
    async with purchases.database.transaction() as db:
        assert await find_faults(db, "refunds") == []


async def test_refund_that_fails_days_later_gives_its_amount_back(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    assert (await purchases.refund(order)).json()["status"] == "succeeded"
    (made,) = purchases.account.all("refund")
    await purchases.account.control("refunds/fail", id=made["id"])
    await purchases.catch_up()
    assert figures(await purchases.read(order, buyer=buyer)) == ("paid", "12.50", "0.00", "12.50", "0.00")
    (refund,) = await purchases.refunds(order)
    assert (refund["status"], refund["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert (await purchases.refund(order)).status_code == 201


async def test_refund_made_at_stripe_itself_is_booked(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    (intent,) = purchases.intents_of(order)
    await purchases.account.client.v1.refunds.create_async({"payment_intent": intent["id"], "amount": 1000})
    await purchases.catch_up()
    assert figures(await purchases.read(order, buyer=buyer))[:4] == (
        "partially_refunded", "12.50", "10.00", "2.50",
    )  # fmt: skip
    (refund,) = await purchases.refunds(order)
    assert refund["cause"] == "stripe"
    assert problem(await purchases.refund(order, amount="2.51")) == (422, "invalid-refund-amount")


async def test_restocked_pieces_come_back_once_and_never_more_than_were_sold(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid("10.00", quantity=3, buyer=buyer, stock=5)
    sku = order["items"][0]["sku"]

    async def stock() -> int:
        answer = await purchases.client.get(f"/v1/products/{sku}", headers=purchases.shop.admin)
        pieces: int = answer.json()["stock"]
        return pieces

    assert await stock() == 2
    two = [{"sku": sku, "quantity": 2}]
    assert (await purchases.refund(order, amount="20.00", restock=two)).status_code == 201
    assert await stock() == 4
    assert problem(await purchases.refund(order, amount="1.00", restock=two)) == (422, "invalid-restock")
    strange = [{"sku": "strange", "quantity": 1}]
    assert problem(await purchases.refund(order, amount="1.00", restock=strange)) == (422, "invalid-restock")
    await purchases.catch_up()
    assert await stock() == 4
    assert figures(await purchases.read(order, buyer=buyer))[3] == "10.00"


async def test_disputed_payment_is_not_refunded(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    (charge,) = purchases.account.all("charge")
    await purchases.account.control("disputes/open", charge=charge["id"])
    # Before the event came: Stripe refuses, and the amount is given back.
    assert problem(await purchases.refund(order)) == (409, "order-disputed")
    assert figures(await purchases.read(order, buyer=buyer)) == ("disputed", "12.50", "0.00", "0.00", "12.50")
    assert problem(await purchases.refund(order)) in [(409, "order-disputed"), (422, "invalid-refund-amount")]


async def test_only_admins_refund_and_only_paid_orders(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    assert problem(await purchases.refund(order)) == (409, "order-not-refundable")
    headers = buyer | {"Idempotency-Key": "mine"}
    answer = await purchases.client.post(f"/v1/orders/{order['id']}/refunds", json={}, headers=headers)
    assert problem(answer) == (403, "forbidden")
