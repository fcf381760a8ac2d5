"""The indexes that lists and searches go by, in tables that are worth an index."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from dbcommon.engine import Database
from tests.clients import logging_queries
from tests.services.payment.shop import Headers, Shop, Sql
from webcommon.app.service import Service

MANY = """
    INSERT INTO users (id, email)
        SELECT gen_random_uuid(), 'many-' || n || '@example.com' FROM generate_series(1, 700) n;
    INSERT INTO orders (id, user_id, total_amount, currency, receipt_number, created_at)
        SELECT gen_random_uuid(), id, 5, 'eur', email::text, now() - interval '1 day' * random() FROM users;
    INSERT INTO order_items (order_id, product_name, quantity, unit_price, total_price)
        SELECT id, 'Tea', 1, 5, 5 FROM orders;
    INSERT INTO payments (order_id, amount, currency, stripe_payment_intent_id, stripe_charge_id, created_at)
        SELECT id, 5, 'eur', 'pi_' || receipt_number, 'ch_' || receipt_number, created_at FROM orders;
    INSERT INTO payment_attempts
            (order_id, payment_id, kind, parameters, stripe_id, stripe_payment_intent_id, closed_at, outcome)
        SELECT order_id, id, 'checkout_session', '{}', 'cs_' || id, stripe_payment_intent_id, now(), 'succeeded'
        FROM payments;
    INSERT INTO refunds (order_id, payment_id, stripe_id, stripe_payment_intent_id, stripe_charge_id, amount, currency,
            status, cause, created_at)
        SELECT order_id, id, 're_' || id, stripe_payment_intent_id, stripe_charge_id, 1, 'eur', 'succeeded', 'admin',
            created_at FROM payments;
    INSERT INTO disputes (order_id, payment_id, stripe_id, stripe_charge_id, status, reason, amount, currency, withdrawn,
            is_charge_refundable, created_at)
        SELECT order_id, id, 'du_' || id, stripe_charge_id, 'lost', 'general', 5, 'eur', 5, false, created_at FROM payments;
    INSERT INTO payment_events (order_id, cause, subject, subject_id, to_status)
        SELECT id, 'buyer', 'order', id, 'pending' FROM orders;
    INSERT INTO ledger_entries (movement, order_id, account, amount, currency)
        SELECT 'charge ' || p.stripe_charge_id, p.order_id, side.account, side.amount, 'eur'
        FROM payments p, (VALUES ('stripe', 5), ('sales', -5)) AS side (account, amount);
"""

ONE_ORDER = {"pk_orders", "ix_order_items_order_id"}
PLANS = {
    "/v1/orders?q=pi_none": {"uq_payment_attempts_stripe_payment_intent_id"},
    "/v1/orders?q=cs_none": {"uq_payment_attempts_stripe_id"},
    "/v1/orders?q=ch_none": {"uq_ledger_entries_movement_account"},
    "/v1/orders?q=re_none": {"uq_refunds_stripe_id"},
    "/v1/orders?q=du_none": {"uq_disputes_stripe_id"},
    "/v1/orders?q=2026-000041": {"uq_orders_receipt_number"},
    "/v1/orders?q=many-7@example.com": {
        "uq_users_email",
        "ix_orders_user_id_created_at_id",
        "ix_order_items_order_id",
    },
    "/v1/orders?q={order_id}": ONE_ORDER,
    "/v1/orders/{order_id}/timeline": {"ix_payment_events_order_id", "pk_orders"},
    "/v1/payments": {"ix_payments_created_at_id", "pk_orders"},
    "/v1/payments?status=processing": {"ix_payments_status_created_at_id", "pk_orders"},
    "/v1/payments?stripe_id=pi_none": {
        "uq_payment_attempts_stripe_payment_intent_id",
        "pk_payments",
        "pk_orders",
    },
    "/v1/payments?stripe_id=cs_none": {"uq_payment_attempts_stripe_id", "pk_payments", "pk_orders"},
    "/v1/payments?stripe_id=ch_none": {"ix_payments_stripe_charge_id", "pk_orders"},
    "/v1/refunds": {"ix_refunds_created_at_id"},
    "/v1/refunds?status=pending": {"ix_refunds_status_created_at_id"},
    "/v1/refunds?stripe_id=re_none": {"uq_refunds_stripe_id"},
    "/v1/disputes": {"ix_disputes_created_at_id"},
    "/v1/disputes?status=needs_response": {"ix_disputes_status_created_at_id"},
    "/v1/disputes?stripe_id=du_none": {"uq_disputes_stripe_id"},
}


@pytest.fixture(scope="module")
async def order_id(sql: Sql) -> UUID:
    """One of many orders."""
    await sql.execute(MANY)
    found: UUID = await sql.fetchval("SELECT id FROM orders LIMIT 1")
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def indexes_of(
    url: str, headers: Headers, *, client: httpx.AsyncClient, app: Service, sql: Sql
) -> set[str]:
    """The indexes by which a list is read; no table is read from end to end."""
    await client.get(url, headers=headers)  # stores the caller
    async with logging_queries(app.component(Database)) as queries:
        assert (await client.get(url, headers=headers)).status_code == 200
    indexes: set[str] = set()
    for query in queries:
        plan = json.loads(await sql.fetchval(f"EXPLAIN (FORMAT JSON) {query.query}", *query.args))[0]["Plan"]
        read = list(nodes(plan))
        assert [node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"] == []
        indexes |= {node["Index Name"] for node in read if "Index Name" in node}
    return indexes


@pytest.mark.parametrize("path", PLANS)
async def test_lists_and_searches_go_by_these_indexes(
    shop: Shop, app: Service, client: httpx.AsyncClient, sql: Sql, order_id: UUID, path: str
) -> None:
    url = path.format(order_id=order_id)
    assert await indexes_of(url, shop.admin, client=client, app=app, sql=sql) == PLANS[path]


async def test_payments_of_a_customer_are_found_by_the_customers_orders(
    shop: Shop, app: Service, client: httpx.AsyncClient, sql: Sql, order_id: UUID
) -> None:
    buyer = shop.buyer(await sql.fetchval("SELECT user_id FROM orders WHERE id = $1", order_id))
    indexes = await indexes_of("/v1/payments", buyer, client=client, app=app, sql=sql)
    assert indexes == {"ix_orders_user_id_created_at_id", "uq_payments_order_id"}
