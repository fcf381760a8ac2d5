"""The statements that find what does not hold. Each reads one snapshot, so that no change of the moment is taken for a fault."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from sqlalchemy import Integer, TextClause, and_, bindparam, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.models import Order, WebhookEndpoint

Check = Literal[
    "ledger_balance",
    "order_figures",
    "order_status",
    "unallocated_money",
    "receipt_numbers",
    "payments",
    "refunds",
    "disputes",
    "open_attempts",
    "unknown_refunds",
    "dead_letters",
]

MOST = 100
"""Findings of one check that are told."""

_IS_PAID = "status NOT IN ('pending', 'cancelled', 'expired')"

_LEDGER_BALANCE = """
    SELECT 'currency ' || currency AS subject, 'sums to ' || sum(amount) AS detail
    FROM ledger_entries GROUP BY currency HAVING sum(amount) <> 0
    UNION ALL
    SELECT 'movement ' || movement, 'sums to ' || sum(amount) || ' ' || currency
    FROM ledger_entries GROUP BY movement, currency HAVING sum(amount) <> 0
    UNION ALL
    SELECT 'movement ' || movement, 'belongs to ' || count(DISTINCT order_id) || ' orders'
    FROM ledger_entries GROUP BY movement HAVING count(DISTINCT order_id) > 1
"""

# As the trigger of the ledger computes them, from all entries instead of new ones.
_ORDER_FIGURES = """
    SELECT 'order ' || o.id AS subject,
        format('has %s, the ledger says %s (paid, refunded, refundable, disputed)',
            concat_ws(' / ', o.amount_paid, o.amount_refunded, o.amount_refundable, o.amount_disputed),
            concat_ws(' / ', f.paid, f.refunded, f.refundable, f.disputed)) AS detail
    FROM orders o
    CROSS JOIN LATERAL (
        SELECT s.paid, s.refunded, s.disputed,
            greatest(0, s.paid - s.refunded - s.disputed - s.pending) AS refundable
        FROM (
            SELECT coalesce(-sum(e.amount) FILTER (WHERE e.account = 'sales'), 0) AS paid,
                coalesce(sum(e.amount) FILTER (WHERE e.account IN ('refunds', 'chargebacks')), 0) AS refunded,
                coalesce(sum(e.amount) FILTER (WHERE e.account = 'disputes'), 0) AS disputed,
                coalesce(sum(e.amount) FILTER (WHERE e.account = 'refunds_pending'), 0) AS pending
            FROM ledger_entries e WHERE e.order_id = o.id AND e.currency = o.currency
        ) AS s
    ) AS f
    WHERE (o.amount_paid, o.amount_refunded, o.amount_refundable, o.amount_disputed)
        IS DISTINCT FROM (f.paid, f.refunded, f.refundable, f.disputed)
"""

_ORDER_STATUS = f"""
    SELECT 'order ' || o.id AS subject, 'is ' || o.status || ', its figures say ' || o.expected AS detail
    FROM (
        SELECT id, status, CASE
            WHEN amount_paid = 0 THEN CASE WHEN {_IS_PAID} THEN 'unpaid' ELSE status END
            WHEN EXISTS (
                SELECT FROM disputes d WHERE d.order_id = orders.id AND d.withdrawn > 0
                    AND d.status NOT IN ('won', 'lost', 'prevented', 'warning_closed')
            ) THEN 'disputed'
            WHEN amount_refunded >= amount_paid THEN 'refunded'
            WHEN amount_refunded > 0 THEN 'partially_refunded'
            ELSE 'paid' END AS expected
        FROM orders
    ) AS o
    WHERE o.status <> o.expected
    UNION ALL
    SELECT 'order ' || id, 'is ' || status || ' without a movement of its money'
    FROM orders o
    WHERE {_IS_PAID} AND NOT EXISTS (
        SELECT FROM ledger_entries e WHERE e.order_id = o.id AND e.account = 'sales' AND e.amount < 0
    )
"""  # noqa: S608 - of constants

_UNALLOCATED_MONEY = """
    SELECT 'order ' || o.id AS subject, -sum(e.amount) || ' ' || e.currency || ' belong to no order, and no flag tells' AS detail
    FROM ledger_entries e JOIN orders o ON o.id = e.order_id
    WHERE e.account = 'unallocated' AND o.flag IS NULL
    GROUP BY o.id, e.currency HAVING sum(e.amount) <> 0
"""

_RECEIPT_NUMBERS = f"""
    WITH given AS (
        SELECT id, receipt_number, substring(receipt_number FROM '^([0-9]{{4}})-[0-9]{{6,}}$')::int AS year,
            substring(receipt_number FROM '^[0-9]{{4}}-([0-9]{{6,}})$')::bigint AS number
        FROM orders WHERE receipt_number IS NOT NULL
    )
    SELECT 'year ' || coalesce(s.year, g.year) AS subject,
        format('%s numbers from %s to %s, the last one given is %s', coalesce(g.count, 0), g.first, g.last, s.last_number) AS detail
    FROM receipt_series s
    FULL JOIN (
        SELECT year, count(*) AS count, min(number) AS first, max(number) AS last FROM given
        WHERE year IS NOT NULL GROUP BY year
    ) AS g ON g.year = s.year
    WHERE (g.count, g.first, g.last) IS DISTINCT FROM (s.last_number::bigint, 1::bigint, s.last_number::bigint)
    UNION ALL
    SELECT 'order ' || id, 'has the receipt number ' || receipt_number FROM given WHERE year IS NULL
    UNION ALL
    SELECT 'receipt number ' || receipt_number, 'is that of ' || count(*) || ' orders'
    FROM given GROUP BY receipt_number HAVING count(*) > 1
    UNION ALL
    SELECT 'order ' || id, 'is ' || status || CASE WHEN receipt_number IS NULL THEN ' without' ELSE ' with' END || ' a receipt number'
    FROM orders WHERE ({_IS_PAID}) <> (receipt_number IS NOT NULL)
"""  # noqa: S608 - of constants

_PAYMENTS = f"""
    SELECT 'order ' || o.id AS subject,
        format('of %s %s is %s, its payment of %s %s is %s',
            o.total_amount, o.currency, o.status, p.amount, p.currency, p.status) AS detail
    FROM orders o LEFT JOIN payments p ON p.order_id = o.id
    WHERE (p.id IS NOT NULL AND (p.amount, p.currency) <> (o.total_amount, o.currency))
        OR (o.{_IS_PAID} AND p.status IS DISTINCT FROM 'succeeded')
"""  # noqa: S608 - of constants

_REFUNDS = """
    SELECT 'refund ' || r.id AS subject,
        format('of %s %s is %s; booked are %s held, %s returned', r.amount, r.currency, r.status, b.held, b.returned) AS detail
    FROM refunds r
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0) AS held,
            coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS returned
        FROM ledger_entries e
        WHERE e.movement IN (
                format('refund %s held', r.id), format('refund %s returned', r.id),
                format('refund %s again held', r.id), format('refund %s again returned', r.id)
            )
            AND e.account = 'stripe' AND e.currency = r.currency
    ) AS b
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE e.account = 'refunds') AS succeeded,
            count(*) FILTER (WHERE e.account = 'unallocated') AS unallocated
        FROM ledger_entries e
        WHERE e.movement IN (
            format('refund %s held', r.id), format('refund %s succeeded', r.id),
            format('refund %s again held', r.id), format('refund %s again succeeded', r.id)
        )
    ) AS c
    WHERE b.held NOT IN (r.amount, 2 * r.amount)
        OR b.held - b.returned <> CASE WHEN r.status IN ('failed', 'canceled') THEN 0 ELSE r.amount END
        OR (r.status IN ('outcome_unknown', 'pending') AND c.succeeded > 0)
        OR (r.status = 'succeeded' AND c.succeeded + c.unallocated = 0)
"""

_DISPUTES = """
    SELECT 'order ' || order_id AS subject,
        format('disputes have withdrawn %s, the ledger says %s %s', coalesce(d.withdrawn, 0), coalesce(e.amount, 0), currency) AS detail
    FROM (
        SELECT order_id, currency, coalesce(sum(withdrawn) FILTER (WHERE status <> 'lost'), 0) AS withdrawn
        FROM disputes GROUP BY order_id, currency
    ) AS d
    FULL JOIN (
        SELECT order_id, currency, sum(amount) AS amount FROM ledger_entries WHERE account = 'disputes'
        GROUP BY order_id, currency
    ) AS e USING (order_id, currency)
    WHERE coalesce(d.withdrawn, 0) <> coalesce(e.amount, 0)
"""

_OPEN_ATTEMPTS = """
    SELECT 'order ' || order_id AS subject, count(*) || ' attempts are open' AS detail
    FROM payment_attempts WHERE closed_at IS NULL GROUP BY order_id HAVING count(*) > 1
"""

_UNKNOWN_REFUNDS = """
    SELECT 'refund ' || id AS subject, 'what came of it is unknown since ' || created_at AS detail
    FROM refunds WHERE status = 'outcome_unknown' AND created_at < now() - interval '1 hour'
"""

_DEAD_LETTERS = """
    SELECT 'event ' || id AS subject, concat_ws(': ', type, last_error) AS detail
    FROM stripe_events WHERE failed_at IS NOT NULL
"""

_STATEMENTS: Mapping[Check, str] = {
    "ledger_balance": _LEDGER_BALANCE,
    "order_figures": _ORDER_FIGURES,
    "order_status": _ORDER_STATUS,
    "unallocated_money": _UNALLOCATED_MONEY,
    "receipt_numbers": _RECEIPT_NUMBERS,
    "payments": _PAYMENTS,
    "refunds": _REFUNDS,
    "disputes": _DISPUTES,
    "open_attempts": _OPEN_ATTEMPTS,
    "unknown_refunds": _UNKNOWN_REFUNDS,
    "dead_letters": _DEAD_LETTERS,
}

CHECKS: Sequence[Check] = tuple(_STATEMENTS)


async def allow_time(db: AsyncSession) -> None:
    """Let the statements of this transaction read whole tables."""
    await db.execute(select(func.set_config("statement_timeout", "10min", True)))


async def find_faults(db: AsyncSession, check: Check) -> Sequence[AnyRow]:
    """`subject` and `detail` of what is wrong, `MOST` at most."""
    return (await db.execute(_limited(_STATEMENTS[check]), {"most": MOST})).all()


def _limited(statement: str) -> TextClause:
    found = text(f"SELECT subject, detail FROM ({statement}) AS found ORDER BY subject LIMIT :most")  # noqa: S608
    return found.bindparams(bindparam("most", type_=Integer()))


async def find_flagged(db: AsyncSession, *, most: int) -> Sequence[AnyRow]:
    """Orders that wait for an admin, the oldest first."""
    statement = select(Order.id, Order.flag, Order.status, Order.created_at).where(Order.flag.is_not(None))
    return (await db.execute(statement.order_by(Order.created_at, Order.id).limit(most))).all()


async def count_failing_endpoints(database: Database) -> int:
    """How many webhook endpoints fail for an hour, or were disabled after their failures."""
    is_disabled = WebhookEndpoint.disabled_reason == "failures"
    has_failed = WebhookEndpoint.first_failure_at < func.now() - timedelta(hours=1)
    is_failing = or_(is_disabled, and_(WebhookEndpoint.status == "enabled", has_failed))
    row = await database.fetch_one(select(func.count()).select_from(WebhookEndpoint).where(is_failing))
    return 0 if row is None else int(row[0])


async def count_flagged(database: Database) -> int:
    """How many orders wait for an admin."""
    row = await database.fetch_one(select(func.count()).select_from(Order).where(Order.flag.is_not(None)))
    return 0 if row is None else int(row[0])
