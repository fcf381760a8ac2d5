"""The statements on refunds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp
from dbcommon.rows import AnyRow
from payment.listings.repository import Listing, text_parameter
from payment.models import Dispute, Order, Payment, PaymentAttempt, Refund
from payment.money_columns import amount_as_text
from payment.stripe_api.client import KEY_LIFETIME

_SHOWN = (
    Refund.id,
    Refund.order_id,
    Refund.amount,
    Refund.currency,
    Refund.status,
    Refund.reason,
    Refund.note,
    Refund.restock,
    Refund.cause,
    Refund.is_automatic,
    Refund.stripe_id,
    Refund.failure_reason,
    Refund.created_at,
    Refund.updated_at,
)

_AS_JSON = json_item(
    id=Refund.id,
    order_id=Refund.order_id,
    amount=amount_as_text(Refund.amount, Refund.currency),
    currency=Refund.currency,
    status=Refund.status,
    reason=Refund.reason,
    note=Refund.note,
    restock=func.coalesce(Refund.restock, literal_column("'[]'::jsonb")),
    cause=Refund.cause,
    is_automatic=Refund.is_automatic,
    stripe_id=Refund.stripe_id,
    failure_reason=Refund.failure_reason,
    created_at=json_timestamp(Refund.created_at),
    updated_at=json_timestamp(Refund.updated_at),
)

REFUNDS = Listing(
    select(_AS_JSON, Refund.created_at, Refund.id),
    created_at=Refund.created_at,
    id=Refund.id,
    conditions={
        "status": Refund.status == text_parameter("status"),
        "stripe_id": Refund.stripe_id == text_parameter("stripe_id"),
    },
)
"""The JSON of `Refund`, as admins see it."""


async def find_refund(database: Database, refund_id: UUID) -> AnyRow | None:
    """A refund as it is shown."""
    return await database.fetch_one(select(*_SHOWN).where(Refund.id == refund_id))


async def find_order_refunds(
    database: Database, order_id: UUID, *, owner: UUID | None
) -> Sequence[AnyRow] | None:
    """The refunds of an order, oldest first; None when there is no such order (of `owner`, unless that is None)."""
    statement = select(Order.id.label("found"), *_SHOWN).outerjoin(Refund, Refund.order_id == Order.id)
    statement = statement.where(Order.id == order_id).order_by(Refund.created_at, Refund.id)
    if owner is not None:
        statement = statement.where(Order.user_id == owner)
    rows = await database.fetch_all(statement)
    return None if not rows else [row for row in rows if row.id is not None]


async def exists(db: AsyncSession, refund_id: UUID) -> bool:
    """Whether the refund is stored."""
    statement = select(Refund.id).where(Refund.id == refund_id)
    return (await db.execute(statement)).one_or_none() is not None


async def find_paid(db: AsyncSession, order_id: UUID) -> AnyRow | None:
    """The payment of an order that took its money, and whether Stripe refuses to refund it for a dispute."""
    refuses = select(Dispute.id).where(
        Dispute.stripe_charge_id == Payment.stripe_charge_id,
        Dispute.is_charge_refundable.is_(False),
        Dispute.status.not_in(("won", "prevented", "warning_closed")),
    )
    statement = select(
        Payment.id,
        Payment.stripe_payment_intent_id,
        Payment.stripe_charge_id,
        refuses.exists().label("is_disputed"),
    ).where(Payment.order_id == order_id, Payment.stripe_charge_id.is_not(None))
    return (await db.execute(statement)).one_or_none()


async def insert_refund(db: AsyncSession, values: Mapping[str, Any]) -> None:
    """Store a refund; its order is locked."""
    await db.execute(insert(Refund).values(dict(values)))


async def claim_sending(db: AsyncSession, refund_id: UUID, *, lease: timedelta) -> AnyRow | None:
    """A refund of unknown outcome, to be sent now; None when it is known, or another process is about it.

    `earlier_sends`: how often it was sent before, and `is_key_forgotten`: whether Stripe may have forgotten that.
    """
    statement = (
        update(Refund)
        .where(
            Refund.id == refund_id,
            Refund.status == "outcome_unknown",
            or_(Refund.sends == 0, Refund.due_at <= func.now()),
        )
        .values(
            sends=Refund.sends + 1,
            sent_at=func.coalesce(Refund.sent_at, func.now()),
            due_at=func.now() + lease,
        )
        .returning(
            Refund.id,
            Refund.order_id,
            Refund.parameters,
            Refund.stripe_payment_intent_id,
            (Refund.sends - 1).label("earlier_sends"),
            (Refund.sent_at < func.now() - KEY_LIFETIME).label("is_key_forgotten"),
        )
    )
    return (await db.execute(statement)).one_or_none()


async def look_again(db: AsyncSession, refund_id: UUID, *, pause: timedelta) -> None:
    """Look into a refund of unknown outcome after a pause."""
    await db.execute(update(Refund).where(Refund.id == refund_id).values(due_at=func.now() + pause))


async def find_attempt_id(db: AsyncSession, intent_id: str) -> UUID | None:
    """The attempt of a PaymentIntent."""
    statement = select(PaymentAttempt.id).where(PaymentAttempt.stripe_payment_intent_id == intent_id)
    return (await db.execute(statement)).scalar_one_or_none()


async def find_due(database: Database, *, limit: int) -> list[UUID]:
    """Refunds of unknown outcome that are to be looked into."""
    statement = select(Refund.id).where(Refund.status == "outcome_unknown", Refund.due_at <= func.now())
    return [row.id for row in await database.fetch_all(statement.order_by(Refund.due_at).limit(limit))]
