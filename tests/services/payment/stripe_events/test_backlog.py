"""A backlog of events: those of one object are applied together, in their order, after one reading of it."""

import json

import pytest

from payment.stripe_events.worker import EventWorker
from tests.services.payment.purchases import Purchases
from tests.services.payment.shop import Sql
from tests.services.payment.stripe_account import Json

STORE = """
    INSERT INTO stripe_events (id, type, livemode, subject, body)
    SELECT body::json ->> 'id', body::json ->> 'type', false, subject, body
    FROM unnest($1::text[], $2::text[]) AS event (subject, body)
"""
OUT_OF_ORDER = """
    SELECT count(*) FROM stripe_events a JOIN stripe_events b USING (subject)
    WHERE a.position < b.position AND a.done_at > b.done_at
"""


def numbered(event: Json, number: int) -> str:
    """Another event of the same kind about the same object."""
    return json.dumps(event | {"id": f"{event['id']}x{number}"})


async def store_backlog(purchases: Purchases, sql: Sql, *, orders: int, events_each: int) -> list[Json]:
    """Paid orders whose events nobody has applied yet."""
    placed, backlog = [], []
    for _ in range(orders):
        buyer = purchases.buyer()
        order = await purchases.ordered(buyer=buyer)
        await purchases.account.confirm(await purchases.secret(order, buyer=buyer))
        placed.append(order | {"buyer": buyer})
    succeeded = [e for e in purchases.account.take_events() if e["type"] == "payment_intent.succeeded"]
    for number in range(events_each):
        backlog += [(event["data"]["object"]["id"], numbered(event, number)) for event in succeeded]
    await sql.execute(STORE, [subject for subject, _ in backlog], [body for _, body in backlog])
    return placed


async def drain(purchases: Purchases, sql: Sql, *, orders: int, events_each: int) -> None:
    placed = await store_backlog(purchases, sql, orders=orders, events_each=events_each)
    calls = purchases.account.standin.faults.calls
    worker = EventWorker(database=purchases.database, stripe=purchases.stripe, is_live=False)
    while await worker.run():
        pass
    assert await sql.fetchval("SELECT count(*) FROM stripe_events WHERE done_at IS NULL") == 0
    assert await sql.fetchval(OUT_OF_ORDER) == 0
    for order in placed:
        assert (await purchases.read(order, buyer=order["buyer"]))["status"] == "paid"
    # The intent, its refunds and its disputes.
    assert purchases.account.standin.faults.calls - calls == 3 * orders


async def test_events_of_one_object_cost_one_reading(purchases: Purchases, sql: Sql) -> None:
    await drain(purchases, sql, orders=5, events_each=60)


@pytest.mark.long  # 250 purchases
async def test_backlog_of_ten_thousand_events_drains(purchases: Purchases, sql: Sql) -> None:
    await drain(purchases, sql, orders=250, events_each=40)
