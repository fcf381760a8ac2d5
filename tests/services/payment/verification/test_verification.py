"""`quartet payment check` and its metrics: they say that the books hold, and say no after a row was changed by hand."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from payment.verification.metrics import VerificationMetrics
from payment.verification.service import Verification, measure, verify, verify_in_turn
from quartet.service_database import run_on
from tests.servers import TestServer
from tests.services.payment.operator import Operator
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json
from webcommon.app.service import Service


class TakenBack(Exception):
    """Ends a transaction whose changes are not to stay."""

    def __init__(self, verification: Verification) -> None:
        super().__init__("taken back")
        self.verification = verification


@pytest.fixture
def superuser(server: TestServer, database_settings: DatabaseSettings) -> DatabaseUrl:
    """How the superuser, who may stop triggers, reaches the database."""
    return server.url("payment", role="admin", database=database_settings.url.database)


async def verify_changed(url: DatabaseUrl, statement: str, order: Json) -> set[str]:
    """The checks that fail after a change by hand, which is taken back."""

    async def work(db: AsyncSession) -> None:
        await db.execute(text("SET LOCAL session_replication_role = replica"))
        changed = await db.execute(text(statement), {"order": order["id"]})
        assert changed.rowcount > 0  # type: ignore[attr-defined]  # of a statement that changes rows
        raise TakenBack(await verify(db))

    with pytest.raises(TakenBack) as caught:
        await run_on(url, work, service="payment")
    return {check for check, number in caught.value.verification.counts().items() if number}


async def everything(purchases: Purchases) -> Json:
    """Orders in every state; gives that which was refunded in part."""
    buyer = purchases.buyer()
    await purchases.ordered(buyer=buyer)
    cancelled = await purchases.ordered(buyer=buyer)
    await purchases.cancel(cancelled, buyer=buyer)
    await purchases.paid(buyer=buyer)
    refunded = await purchases.paid(buyer=buyer)
    assert (await purchases.refund(refunded)).status_code == 201
    failed = await purchases.paid(buyer=buyer)
    made = (await purchases.refund(failed, amount="1.00")).json()
    await purchases.account.control("refunds/fail", id=made["stripe_id"])
    for outcome in ("won", "lost", None):
        disputed = await purchases.paid(buyer=buyer)
        (intent,) = purchases.intents_of(disputed)
        await purchases.account.control("disputes/open", charge=intent["latest_charge"])
        if outcome is not None:
            dispute = purchases.account.all("dispute")[-1]
            await purchases.account.control("disputes/decide", id=dispute["id"], outcome=outcome)
    await purchases.catch_up()
    partly = await purchases.paid(buyer=buyer)
    assert (await purchases.refund(partly, amount="5.00")).status_code == 201
    await purchases.catch_up()
    return await purchases.read(partly, buyer=buyer)


CHANGES = {
    "order_figures": "UPDATE orders SET amount_refunded = amount_refunded + 1 WHERE id = :order",
    "order_status": "UPDATE orders SET status = 'paid' WHERE id = :order",
    "ledger_balance": "UPDATE ledger_entries SET amount = amount + 1 WHERE order_id = :order AND account = 'sales'",
    "receipt_numbers": "UPDATE orders SET receipt_number = '2026-000999' WHERE id = :order",
    "payments": "UPDATE payments SET status = 'canceled' WHERE order_id = :order",
    "refunds": "UPDATE refunds SET amount = amount + 1 WHERE order_id = :order",
    "disputes": "INSERT INTO disputes (id, stripe_id, order_id, payment_id, stripe_charge_id, status, reason, amount, currency,"
    " withdrawn, is_charge_refundable) SELECT gen_random_uuid(), 'du_1', :order, id, 'ch_1', 'won', 'fraudulent', 1, 'eur', 1, false"
    " FROM payments WHERE order_id = :order",
    "unallocated_money": "UPDATE ledger_entries SET account = 'unallocated' WHERE order_id = :order AND account = 'sales'",
    "unknown_refunds": "UPDATE refunds SET status = 'outcome_unknown', created_at = now() - interval '61 minutes'"
    " WHERE order_id = :order",
    "dead_letters": "UPDATE stripe_events SET failed_at = now(), done_at = NULL WHERE order_id = :order",
}


async def test_books_hold_and_do_not_after_a_row_was_changed_by_hand(
    purchases: Purchases, operator: Operator, superuser: DatabaseUrl
) -> None:
    order = await everything(purchases)
    done = await operator.run("check")
    assert (done.exit_code, done.output) == (0, "the books hold\n")
    for check, statement in CHANGES.items():
        assert check in await verify_changed(superuser, statement, order), check
    assert (await operator.run("check")).exit_code == 0


async def test_missing_receipt_number_is_found(purchases: Purchases, operator: Operator, sql: Sql) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    number = order["receipt_number"]
    await sql.execute("UPDATE orders SET receipt_number = NULL WHERE id = $1", order["id"])
    done = await operator.run("check")
    assert done.exit_code == 1
    assert done.output.count("receipt_numbers: ") == 2
    await sql.execute("UPDATE orders SET receipt_number = $2 WHERE id = $1", order["id"], number)
    assert (await operator.run("check")).exit_code == 0


ENDPOINTS = """
    INSERT INTO webhook_endpoints (url, event_types, secret, status, disabled_reason, first_failure_at) VALUES
        ('https://a.example', '{order.paid}', '', 'enabled', NULL, now() - interval '61 minutes'),
        ('https://b.example', '{order.paid}', '', 'enabled', NULL, now() - interval '59 minutes'),
        ('https://c.example', '{order.paid}', '', 'disabled', 'failures', now() - interval '6 days'),
        ('https://d.example', '{order.paid}', '', 'disabled', 'admin', now() - interval '6 days')
"""


async def test_metrics_tell_what_the_last_check_of_any_process_found(
    purchases: Purchases, app: Service, client: httpx.AsyncClient, sql: Sql, operator: Operator
) -> None:
    metrics = app.component(VerificationMetrics)
    order = await purchases.paid(buyer=purchases.buyer())
    await sql.execute("UPDATE orders SET flag = 'second_payment', amount_paid = 1 WHERE id = $1", order["id"])
    assert await verify_in_turn(purchases.database, period=None)
    await measure(purchases.database, metrics)
    told = (await client.get("/metrics")).text
    assert 'payment_check_findings{check="order_figures"} 1.0' in told
    assert 'payment_check_findings{check="ledger_balance"} 0.0' in told
    assert "payment_orders_flagged 1.0" in told
    assert (await operator.run("check")).output.endswith("\n1 finding\n")
    assert "payment_webhook_endpoints_failing 0.0" in told
    await sql.execute(ENDPOINTS)
    await sql.execute("UPDATE orders SET flag = NULL, amount_paid = 12.5 WHERE id = $1", order["id"])
    assert await verify_in_turn(purchases.database, period=None)
    await measure(purchases.database, metrics)
    told = (await client.get("/metrics")).text
    assert 'payment_check_findings{check="order_figures"} 0.0' in told
    assert "payment_orders_flagged 0.0" in told
    assert "payment_webhook_endpoints_failing 2.0" in told
    await sql.execute("DELETE FROM webhook_endpoints")
