"""Reconciliation: with no webhook at all Stripe's truth arrives, and arrives once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payment.reconciliation.comparison import Difference
from payment.reconciliation.service import Reconciliation, reconcile_by_itself, reconcile_in_turn
from payment.turns.repository import find_turn
from tests.services.payment.operator import Operator
from tests.services.payment.purchases import Purchases, figures
from tests.services.payment.shop import Sql

TABLES = (
    "orders",
    "payments",
    "payment_attempts",
    "refunds",
    "disputes",
    "ledger_entries",
    "payment_events",
    "outgoing_events",
)
DAY = 86_400


@pytest.fixture(autouse=True)
async def forgotten(sql: Sql, purchases: Purchases) -> None:
    """What earlier tests left open is closed: the account of each test begins without objects."""
    await sql.execute("UPDATE payment_attempts SET created_at = now()")
    await sql.execute(
        "UPDATE payment_attempts SET closed_at = now(), outcome = 'canceled' WHERE closed_at IS NULL"
    )
    await sql.execute("UPDATE refunds SET status = 'failed' WHERE status IN ('pending', 'outcome_unknown')")
    await sql.execute("UPDATE disputes SET status = 'lost' WHERE status NOT IN ('won', 'lost')")


async def reconcile(
    purchases: Purchases, *, since: datetime | None = None, page: int = 100
) -> list[Difference]:
    """The differences of a run that applies Stripe's truth."""
    found = await reconcile_in_turn(purchases.database, purchases.stripe, period=None, since=since, page=page)
    assert found is not None
    return found


async def look(purchases: Purchases, *, days: int = 3) -> list[Difference]:
    """The differences, of which nothing is applied."""
    looking = Reconciliation(database=purchases.database, stripe=purchases.stripe, is_fixing=False)
    return await looking.run(datetime.now(UTC) - timedelta(days=days))


async def snapshot(sql: Sql) -> dict[str, Sequence[Any]]:
    """All rows of the tables that reconciliation may change."""
    return {table: await sql.fetch(f"SELECT * FROM {table} ORDER BY id") for table in TABLES}  # noqa: S608 - constants


async def confirmed(purchases: Purchases, buyer: dict[str, str], price: str = "12.50") -> dict[str, Any]:
    """An order that is paid at Stripe, which nobody here knows."""
    order = await purchases.ordered(price, buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.account.confirm(secret)).status_code == 200
    purchases.account.advance(5)
    purchases.account.take_events()
    return order


async def connections_of_commands(sql: Sql) -> int:
    """How many connections operators' commands hold now."""
    count: int = await sql.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'quartet-payment%'"
    )
    return count


async def refunds_at_stripe(purchases: Purchases, order: dict[str, Any], amount: int) -> dict[str, Any]:
    """A refund made in Stripe's dashboard."""
    (intent,) = purchases.intents_of(order)
    made = await purchases.account.client.v1.refunds.create_async(
        {"payment_intent": intent["id"], "amount": amount}
    )
    purchases.account.take_events()
    return made.to_dict()


async def test_without_webhooks_the_right_state_is_reached_and_a_second_run_changes_nothing(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    paid = [await confirmed(purchases, buyer) for _ in range(3)]
    declined = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(declined, buyer=buyer)
    assert (
        await purchases.account.confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
    ).status_code == 402
    debited = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(debited, buyer=buyer)
    assert (await purchases.account.confirm(secret, "pm_usBankAccount_processing")).status_code in (
        200,
        400,
        402,
    )
    purchases.account.advance(5)
    seen = await look(purchases)
    assert {each.order_id for each in seen} >= {order["id"] for order in [*paid, declined]}
    assert (await purchases.read(paid[0], buyer=buyer))["status"] == "pending"
    found = await reconcile(purchases, page=2)
    assert all(each.is_fixed for each in found)
    assert {each.object for each in found} == {each.object for each in seen}
    for order in paid:
        shown = await purchases.read(order, buyer=buyer)
        assert figures(shown) == ("paid", "12.50", "0.00", "12.50", "0.00")
        assert shown["receipt_number"] is not None
    progress = await purchases.progress(declined, buyer=buyer)
    assert progress["last_error"]["decline_code"] == "insufficient_funds"
    before = await snapshot(sql)
    assert await reconcile(purchases, page=2) == []
    assert await snapshot(sql) == before
    await purchases.catch_up(purchases.account.all("event"))
    after = await snapshot(sql)
    assert {name: len(rows) for name, rows in after.items()} == {
        name: len(rows) for name, rows in before.items()
    }


async def test_refund_of_the_dashboard_a_late_failure_and_a_late_dispute_are_found(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    refunded, failing, disputed = [await purchases.paid(buyer=buyer) for _ in range(3)]
    await refunds_at_stripe(purchases, refunded, 1000)
    made = await purchases.refund(failing)
    assert made.json()["status"] == "succeeded"
    await purchases.catch_up()
    (intent,) = purchases.intents_of(disputed)
    await purchases.account.control("disputes/open", charge=intent["latest_charge"])
    await purchases.catch_up()
    assert (await purchases.read(disputed, buyer=buyer))["status"] == "disputed"
    (dispute,) = purchases.account.all("dispute")
    await purchases.account.control("refunds/fail", id=made.json()["stripe_id"])
    await purchases.account.control("disputes/decide", id=dispute["id"], outcome="lost")
    purchases.account.take_events()
    found = await reconcile(purchases, since=datetime.now(UTC) + timedelta(days=1))
    assert {each.object.split()[0] for each in found} >= {"refund", "dispute", "order"}
    assert figures(await purchases.read(refunded, buyer=buyer))[:3] == (
        "partially_refunded",
        "12.50",
        "10.00",
    )
    assert figures(await purchases.read(failing, buyer=buyer)) == ("paid", "12.50", "0.00", "12.50", "0.00")
    assert figures(await purchases.read(disputed, buyer=buyer)) == (
        "refunded",
        "12.50",
        "12.50",
        "0.00",
        "0.00",
    )
    (refund,) = await purchases.refunds(refunded)
    assert (refund["cause"], refund["status"]) == ("stripe", "succeeded")
    causes = await sql.fetch(
        "SELECT DISTINCT cause FROM payment_events WHERE order_id = $1 AND subject = 'refund'", refunded["id"]
    )
    assert [row["cause"] for row in causes] == ["reconcile"]
    assert await reconcile(purchases) == []


@pytest.mark.parametrize("kind", ["payment_intent", "checkout_session"])
async def test_object_whose_creation_was_never_answered_is_adopted(
    purchases: Purchases, sql: Sql, kind: str
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    begin = purchases.pay if kind == "payment_intent" else purchases.checkout
    assert (await begin(order, buyer=buyer)).status_code == 200
    # As if the process had been killed before it had the answer.
    forget = "UPDATE {} SET stripe_payment_intent_id = NULL WHERE order_id = $1"
    for table in ("payments", "payment_attempts"):
        await sql.execute(forget.format(table), order["id"])
    forget = (
        "UPDATE payment_attempts SET stripe_id = NULL, client_secret = NULL, url = NULL WHERE order_id = $1"
    )
    await sql.execute(forget, order["id"])
    if kind == "payment_intent":
        (intent,) = purchases.intents_of(order)
        assert (await purchases.account.confirm(intent["client_secret"])).status_code == 200
        purchases.account.advance(5)
    purchases.account.take_events()
    await reconcile(purchases)
    shown = await purchases.read(order, buyer=buyer)
    if kind == "payment_intent":
        assert shown["status"] == "paid"
    else:
        (session,) = purchases.account.all("checkout.session")
        again = await purchases.checkout(order, buyer=buyer)
        assert (again.status_code, again.json()) == (200, {"url": session["url"]})
    assert await reconcile(purchases) == []


async def test_what_stripe_no_longer_knows_is_told_and_changes_nothing(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    paid = await purchases.paid(buyer=buyer)
    assert (await purchases.refund(paid, amount="1.00")).status_code == 201
    begun = await purchases.ordered(buyer=buyer)
    await purchases.secret(begun, buyer=buyer)
    await sql.execute(
        "UPDATE payment_attempts SET created_at = created_at - interval '2 hours' WHERE order_id = $1",
        paid["id"],
    )
    purchases.account.standin.reset()
    before = await snapshot(sql)
    found = await reconcile(purchases)
    told = {each.order_id: (each.object.split()[0], each.ours, each.stripe, each.is_fixed) for each in found}
    assert told[paid["id"]] == ("payment_intent", "succeeded", None, False)
    assert told[begun["id"]] == ("payment_intent", "requires_payment_method", None, False)
    assert await snapshot(sql) == before
    again = await reconcile(purchases)
    assert sorted(each.object for each in again) == sorted(each.object for each in found)


async def test_what_an_unknown_attempt_made_is_told_and_what_is_foreign_is_not(purchases: Purchases) -> None:
    intents = purchases.account.client.v1.payment_intents
    await intents.create_async({"amount": 500, "currency": "eur"})
    strange = "00000000-0000-7000-8000-000000000000"
    metadata = {"service": "quartet-payment", "attempt_id": strange, "order_id": strange}
    made = await intents.create_async({"amount": 500, "currency": "eur", "metadata": metadata})
    found = await reconcile(purchases)
    assert [(each.object, each.order_id, each.ours, each.is_fixed) for each in found] == [
        (f"payment_intent {made.id}", strange, None, False)
    ]


async def test_success_after_a_cancellation_is_refunded_by_itself_and_flagged(
    purchases: Purchases, sql: Sql
) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    secret = await purchases.secret(order, buyer=buyer)
    assert (await purchases.cancel(order, buyer=buyer)).status_code == 200
    (intent,) = purchases.intents_of(order)
    fields = {"status": "requires_payment_method", "canceled_at": None}
    await purchases.account.control("objects/change", kind="payment_intent", id=intent["id"], fields=fields)
    assert (await purchases.account.confirm(secret)).status_code == 200
    purchases.account.take_events()
    await reconcile(purchases)
    await purchases.sweep()
    assert (await purchases.read(order, buyer=buyer))["status"] == "cancelled"
    (refund,) = await purchases.refunds(order)
    assert (refund["status"], refund["is_automatic"], refund["amount"]) == ("succeeded", True, "12.50")
    assert await sql.fetchval("SELECT flag FROM orders WHERE id = $1", order["id"]) == "late_payment"


async def test_one_process_at_a_time_once_a_period(purchases: Purchases, sql: Sql) -> None:
    await confirmed(purchases, purchases.buyer())
    assert await reconcile_in_turn(purchases.database, purchases.stripe, period=timedelta(hours=1)) is None
    await sql.execute(
        "UPDATE turns SET finished_at = now() - interval '61 minutes' WHERE name = 'reconciliation'"
    )
    found = await reconcile_in_turn(purchases.database, purchases.stripe, period=timedelta(hours=1))
    assert found
    turn = await find_turn(purchases.database, "reconciliation")
    assert turn.result == {"differences": len(found), "left": 0}
    assert await reconcile_in_turn(purchases.database, purchases.stripe, period=timedelta(hours=1)) is None
    await sql.execute(
        "UPDATE turns SET lease_until = now() + interval '1 minute' WHERE name = 'reconciliation'"
    )
    assert await reconcile_in_turn(purchases.database, purchases.stripe, period=None) is None
    await sql.execute("UPDATE turns SET lease_until = now() WHERE name = 'reconciliation'")


async def test_command_prints_each_difference_and_fixes_when_told(
    purchases: Purchases, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    buyer = purchases.buyer()
    order = await confirmed(purchases, buyer)
    (intent,) = purchases.intents_of(order)
    line = f"payment {intent['id']}: here requires_payment_method, at Stripe succeeded (order {order['id']})"
    done = await operator.run("reconcile")
    assert (done.exit_code, line in done.output.splitlines()) == (1, True), done.output
    assert (await purchases.read(order, buyer=buyer))["status"] == "pending"
    done = await operator.run("reconcile", "--since", "2026-01-01", "--fix", "--json")
    assert (done.exit_code, done.json["left"]) == (0, 0)
    assert "at Stripe" not in caplog.text
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"
    done = await operator.run("reconcile", "--fix")
    assert (done.exit_code, done.output) == (0, "no difference\n")
    assert (await operator.run("reconcile", "--since", "yesterday")).exit_code == 2
    assert (await operator.run("check")).exit_code == 0


async def test_service_logs_each_difference_that_it_finds_by_itself(
    purchases: Purchases, caplog: pytest.LogCaptureFixture
) -> None:
    await confirmed(purchases, purchases.buyer())
    await reconcile_by_itself(purchases.database, purchases.stripe, period=timedelta(0))
    assert "here requires_payment_method, at Stripe succeeded" in caplog.text


async def test_limit_of_stripe_is_waited_for(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await confirmed(purchases, buyer)
    purchases.account.break_next("rate_limit", "/v1/payment_intents", method="GET", times=2)
    await reconcile(purchases)
    assert (await purchases.read(order, buyer=buyer))["status"] == "paid"


@pytest.mark.long
async def test_hundreds_of_payments_of_which_half_were_dropped(purchases: Purchases, sql: Sql) -> None:
    buyer = purchases.buyer()
    orders = [await purchases.paid(buyer=buyer) for _ in range(120)]
    orders += [await confirmed(purchases, purchases.buyer()) for _ in range(130)]
    await reconcile(purchases)
    ids = [order["id"] for order in orders]
    paid = await sql.fetchval("SELECT count(*) FROM orders WHERE id = ANY($1) AND status = 'paid'", ids)
    assert paid == 250
    numbers = await sql.fetchval("SELECT count(DISTINCT receipt_number) FROM orders WHERE id = ANY($1)", ids)
    assert numbers == 250
    before = await snapshot(sql)
    assert await reconcile(purchases) == []
    assert await snapshot(sql) == before


async def test_command_takes_one_connection_beside_those_of_the_services(
    purchases: Purchases, operator: Operator, sql: Sql
) -> None:
    buyer = purchases.buyer()
    for _ in range(8):
        await confirmed(purchases, buyer)
    run = asyncio.create_task(operator.run("reconcile", "--fix"))
    held = set()
    while not run.done():
        held.add(await connections_of_commands(sql))
    assert (await run).exit_code == 0
    assert max(held) == 1
