"""`quartet payment resolve`: money that an order could not take is given back, or taken."""

import pytest

from tests.services.payment.operator import Operator
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Headers, Sql
from tests.services.payment.stripe_account import Json


async def mismatched(purchases: Purchases, buyer: Headers, **fields: object) -> Json:
    """An order whose PaymentIntent was changed at Stripe, then paid."""
    order = await purchases.ordered(buyer=buyer, stock=3)
    secret = await purchases.secret(order, buyer=buyer)
    (intent,) = purchases.intents_of(order)
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    assert (await purchases.account.confirm(secret)).status_code == 200
    purchases.account.advance(5)
    await purchases.catch_up()
    return await purchases.read(order, buyer=buyer)


async def read_flag(sql: Sql, order: Json) -> str | None:
    flag: str | None = await sql.fetchval("SELECT flag FROM orders WHERE id = $1", order["id"])
    return flag


async def test_another_amount_is_flagged_and_the_books_hold(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    order = await mismatched(purchases, purchases.buyer(), amount=100)
    assert figures(order) == ("pending", "0.00", "0.00", "0.00", "0.00")
    assert await read_flag(sql, order) == "amount_mismatch"
    done = await operator.run("check", "--json")
    assert (done.exit_code, done.json["ok"]) == (0, True)
    assert order["id"] in {each["order_id"] for each in done.json["flagged"]}


async def test_refund_gives_all_of_it_back_and_clears_the_flag(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await mismatched(purchases, buyer, amount=100)
    done = await operator.run("resolve", order["id"], "--refund")
    assert (done.exit_code, "1.00 eur" in done.output) == (0, True), done.output
    (refund,) = purchases.account.all("refund")
    assert (refund["amount"], refund["status"]) == (100, "succeeded")
    assert await read_flag(sql, order) is None
    assert (await purchases.read(order, buyer=buyer))["status"] == "cancelled"
    (stored,) = await purchases.refunds(order)
    assert (stored["cause"], stored["status"], stored["is_automatic"]) == ("admin", "succeeded", False)
    await purchases.catch_up()
    assert (await operator.run("check")).exit_code == 0
    done = await operator.run("resolve", order["id"], "--refund")
    assert (done.exit_code, "not flagged" in done.output) == (1, True)
    assert len(purchases.account.all("refund")) == 1


async def test_accept_makes_the_order_paid_by_what_came_and_it_can_be_refunded(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await mismatched(purchases, buyer, amount=1000)
    await sql.execute("UPDATE orders SET expires_at = now() - interval '1 minute' WHERE id = $1", order["id"])
    await purchases.sweep()
    done = await operator.run("resolve", order["id"], "--accept")
    assert done.exit_code == 0, done.output
    paid = await purchases.read(order, buyer=buyer)
    assert figures(paid) == ("paid", "10.00", "0.00", "10.00", "0.00")
    assert paid["receipt_number"] is not None
    assert await read_flag(sql, order) is None
    assert (await operator.run("check")).exit_code == 0
    assert (await purchases.refund(order, amount="4.00")).status_code == 201
    await purchases.catch_up()
    assert figures(await purchases.read(order, buyer=buyer)) == (
        "partially_refunded",
        "10.00",
        "4.00",
        "6.00",
        "0.00",
    )
    assert (await operator.run("check")).exit_code == 0
    row = await sql.fetchrow(
        "SELECT cause, from_status, to_status FROM payment_events WHERE order_id = $1 AND subject = 'order'"
        " AND to_status = 'paid'",
        order["id"],
    )
    assert row is not None
    assert tuple(row) == ("admin", "pending", "paid")


async def test_late_money_whose_refund_failed_can_be_accepted(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.cancel(order, buyer=buyer)).status_code == 200
    (intent,) = purchases.intents_of(order)
    fields = {"status": "requires_payment_method", "canceled_at": None}
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    assert (await purchases.account.confirm(secret)).status_code == 200
    await purchases.catch_up()
    assert await read_flag(sql, order) == "late_payment"
    done = await operator.run("resolve", order["id"], "--accept")
    assert (done.exit_code, "nothing is left" in done.output) == (1, True)
    await purchases.sweep()
    (refund,) = purchases.account.all("refund")
    await purchases.account.control("refunds/fail", id=refund["id"])
    await purchases.catch_up()
    assert (await operator.run("resolve", order["id"], "--accept")).exit_code == 0
    paid = await purchases.read(order, buyer=buyer)
    assert figures(paid) == ("paid", "12.50", "0.00", "12.50", "0.00")
    assert (await operator.run("check")).exit_code == 0


async def test_money_of_another_currency_is_not_accepted(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    order = await mismatched(purchases, purchases.buyer(), currency="usd")
    done = await operator.run("resolve", order["id"], "--accept")
    assert (done.exit_code, "no money in eur" in done.output) == (1, True)
    assert await read_flag(sql, order) == "amount_mismatch"
    assert (await operator.run("resolve", order["id"], "--refund")).exit_code == 0
    assert (await operator.run("check")).exit_code == 0


async def test_refused_refund_leaves_the_flag(purchases: Purchases, operator: Operator, sql: Sql) -> None:
    order = await mismatched(purchases, purchases.buyer(), amount=100)
    (intent,) = purchases.intents_of(order)
    await purchases.account.control("disputes/open", charge=intent["latest_charge"])
    done = await operator.run("resolve", order["id"], "--refund")
    assert (done.exit_code, "charged back" in done.output) == (1, True), done.output
    assert await read_flag(sql, order) == "amount_mismatch"


@pytest.mark.parametrize("arguments", [[], ["--refund", "--accept"]])
async def test_one_of_the_two_is_said(operator: Operator, arguments: list[str]) -> None:
    done = await operator.run("resolve", "00000000-0000-7000-8000-000000000000", *arguments)
    assert done.exit_code == 2


async def test_unknown_order_is_not_found(operator: Operator) -> None:
    done = await operator.run("resolve", "00000000-0000-7000-8000-000000000000", "--refund")
    assert (done.exit_code, done.output) == (13, "there is no order 00000000-0000-7000-8000-000000000000")
