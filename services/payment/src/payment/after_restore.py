"""What a restored database must not do or forget: events that were sent are not sent again, and Stripe's truth is applied."""

from typing import Any

import asyncpg

_RECONCILE = "UPDATE turns SET lease_until = now(), finished_at = NULL WHERE name = 'reconciliation'"
_NEWEST = "SELECT coalesce(max(created_at), '-infinity') - interval '1 hour' FROM outgoing_events"
_TOLD_EVENTS = """
    SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.created_at, e.sequence), '[]') FROM outgoing_events e
    WHERE e.created_at > $1 OR EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id AND d.done_at > $1)
"""
_TOLD_DELIVERIES = """
    SELECT coalesce(jsonb_agg(to_jsonb(d)), '[]') FROM webhook_deliveries d JOIN outgoing_events e ON e.id = d.event_id
    WHERE d.done_at IS NOT NULL AND (e.created_at > $1 OR d.done_at > $1)
"""
_KEEP_EVENTS = """
    INSERT INTO outgoing_events
    SELECT e.* FROM jsonb_populate_recordset(NULL::outgoing_events, $1::text::jsonb) e
    WHERE e.order_id IS NULL OR EXISTS (SELECT FROM orders o WHERE o.id = e.order_id)
    ON CONFLICT DO NOTHING
"""
_KEEP_DELIVERIES = """
    INSERT INTO webhook_deliveries
    SELECT d.* FROM jsonb_populate_recordset(NULL::webhook_deliveries, $1::text::jsonb) d
    WHERE EXISTS (SELECT FROM outgoing_events e WHERE e.id = d.event_id)
        AND EXISTS (SELECT FROM webhook_endpoints w WHERE w.id = d.endpoint_id)
    ON CONFLICT (id) DO UPDATE SET done_at = excluded.done_at, failed_at = NULL, attempts = excluded.attempts,
        ended_attempts = excluded.ended_attempts
    WHERE webhook_deliveries.done_at IS NULL
"""
_GIVE_UP = """
    UPDATE webhook_deliveries
    SET failed_at = now(), error = 'given up after a restore: it may have been sent before; redeliver it by hand'
    WHERE done_at IS NULL AND failed_at IS NULL
"""
_TABLES = ("outgoing_events", "webhook_deliveries")


async def after_restore(
    restored: "asyncpg.Connection[Any]", previous: "asyncpg.Connection[Any] | None"
) -> list[str]:
    """Have all of Stripe's last 60 days compared at the service's next start, and do not send outgoing events twice.

    `previous` is the database of before, if it is there: what it has sent is known to the restored one from then on, so that
    neither a waiting delivery nor a change that is applied once more is told again. Without it the deliveries that wait are
    given up. Runs in the caller's transaction; gives a sentence for each thing that was done.
    """
    if await restored.fetchval("SELECT to_regclass('turns')") is None:
        return ["there are no payments: nothing is to be made safe"]
    await restored.execute(_RECONCILE)
    done = [
        "Stripe's last 60 days are compared when the service starts: `quartet payment reconcile` tells what differs"
    ]
    if previous is None or None in [
        await previous.fetchval("SELECT to_regclass($1)", table) for table in _TABLES
    ]:
        given_up = _count(await restored.execute(_GIVE_UP))
        return [
            *done,
            f"{given_up} waiting webhooks given up: they may have been sent; redeliver them by hand",
        ]
    return [*done, f"{await _keep_sent(previous, restored)} webhooks that were sent since are not sent again"]


async def _keep_sent(previous: "asyncpg.Connection[Any]", restored: "asyncpg.Connection[Any]") -> int:
    since = await restored.fetchval(_NEWEST)
    await restored.execute(_KEEP_EVENTS, await previous.fetchval(_TOLD_EVENTS, since))
    deliveries = await previous.fetchval(_TOLD_DELIVERIES, since)
    return _count(await restored.execute(_KEEP_DELIVERIES, deliveries))


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
