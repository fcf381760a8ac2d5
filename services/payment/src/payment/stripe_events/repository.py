"""The statements on the inbox of Stripe's events."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, delete, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from dbcommon.jobs.queue import Queue
from dbcommon.rows import AnyRow
from payment.models import Order, PaymentAttempt, StripeEvent
from payment.stripe_events.parsing import Event

QUEUE = Queue(StripeEvent, key="subject", position="position")

KEPT_FOREIGN = timedelta(days=30)
"""How long an event that was not applied is kept."""

_STORE = DriverText(
    text(
        "INSERT INTO stripe_events (id, type, api_version, livemode, subject, body)"
        " VALUES (:id, :type, :api_version, :livemode, :subject, :body)"
        " ON CONFLICT (id) DO NOTHING RETURNING 1"
    )
)


async def store_event(database: Database, event: Event, body: str) -> bool:
    """Store an event in a transaction of its own; False when it came before."""
    row = await database.fetch_record(
        _STORE,
        id=event.id,
        type=event.type,
        api_version=event.api_version,
        livemode=event.livemode,
        subject=event.subject,
        body=body,
    )
    return row is not None


async def claim(db: AsyncSession, *, most: int, lease: timedelta) -> Sequence[AnyRow]:
    """The first event of each of up to `most` subjects."""
    return await QUEUE.claim(db, StripeEvent.subject, StripeEvent.received_at, most=most, lease=lease)


async def find_pending(database: Database, subject: str, *, most: int) -> Sequence[AnyRow]:
    """The events of a subject that are to be applied, the oldest first."""
    statement = select(StripeEvent.id, StripeEvent.type, StripeEvent.body, StripeEvent.received_at)
    pending = statement.where(StripeEvent.subject == subject, QUEUE.pending)
    return await database.fetch_all(pending.order_by(StripeEvent.position).limit(most))


async def finish(db: AsyncSession, event_ids: Sequence[str], values: Mapping[str, Any]) -> None:
    """Mark events as done."""
    statement = update(StripeEvent).where(
        StripeEvent.id == any_(literal(list(event_ids), ARRAY(Text))), QUEUE.pending
    )
    await db.execute(
        statement.values({"done_at": func.clock_timestamp(), **values}).execution_options(
            synchronize_session=False
        )
    )


async def find_order(db: AsyncSession, attempt_id: UUID) -> AnyRow:
    """The order of an attempt, and its user."""
    statement = select(Order.id, Order.user_id).join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
    return (await db.execute(statement.where(PaymentAttempt.id == attempt_id))).one()


async def note_error(db: AsyncSession, event_id: str, error: str) -> None:
    """Remember why an event was not applied."""
    await db.execute(update(StripeEvent).where(StripeEvent.id == event_id).values(last_error=error))


_SHOWN = (
    StripeEvent.type,
    StripeEvent.subject,
    StripeEvent.received_at,
    StripeEvent.done_at,
    StripeEvent.failed_at,
    StripeEvent.order_id,
    StripeEvent.foreign_because,
    StripeEvent.last_error,
)


async def list_dead_letters(db: AsyncSession, *, most: int) -> Sequence[AnyRow]:
    """Events that could not be applied, those that were given up last first."""
    return await QUEUE.list_failed(db, *_SHOWN, most=most)


async def list_events(db: AsyncSession, *, most: int) -> Sequence[AnyRow]:
    """Events, the newest first."""
    statement = select(StripeEvent.id, StripeEvent.attempts, *_SHOWN)
    return (await db.execute(statement.order_by(StripeEvent.position.desc()).limit(most))).all()


async def find_event(db: AsyncSession, event_id: str) -> AnyRow | None:
    """An event, with its body."""
    statement = select(
        StripeEvent.id, StripeEvent.attempts, *_SHOWN, StripeEvent.api_version, StripeEvent.body
    )
    return (await db.execute(statement.where(StripeEvent.id == event_id))).one_or_none()


async def delete_foreign(db: AsyncSession, *, limit: int) -> int:
    """Delete events that were not applied, after 30 days; gives how many."""
    old = (
        select(StripeEvent.id)
        .where(StripeEvent.foreign_because.is_not(None), StripeEvent.done_at < func.now() - KEPT_FOREIGN)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = delete(StripeEvent).where(StripeEvent.id.in_(old)).returning(StripeEvent.id)
    return len((await db.execute(statement.execution_options(synchronize_session=False))).all())
