"""The statements of settlement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.models import Decline, Dispute, Order, OrderFlag, OrderStatus, Payment, PaymentAttempt, Refund
from payment.settlement.rules import DisputeState, StoredDispute, StoredRefund

_ATTEMPT = (
    PaymentAttempt.id,
    PaymentAttempt.order_id,
    PaymentAttempt.kind,
    PaymentAttempt.stripe_id,
    PaymentAttempt.stripe_payment_intent_id,
)


async def read_clock(database: Database) -> datetime:
    """The database's time."""
    row = await database.fetch_one(select(func.clock_timestamp().label("now")))
    assert row is not None  # noqa: S101 - a row without a table
    moment: datetime = row.now
    return moment


async def find_attempt(database: Database, attempt_id: UUID) -> AnyRow | None:
    """What is to be read of an attempt at Stripe."""
    return await database.fetch_one(select(*_ATTEMPT).where(PaymentAttempt.id == attempt_id))


async def find_attempt_id(db: AsyncSession, subject: str) -> UUID | None:
    """The attempt that is this PaymentIntent or Checkout session."""
    of_subject = or_(PaymentAttempt.stripe_id == subject, PaymentAttempt.stripe_payment_intent_id == subject)
    return (await db.execute(select(PaymentAttempt.id).where(of_subject).limit(1))).scalar_one_or_none()


async def adopt(db: AsyncSession, attempt_id: UUID, subject: str, *, url: str | None) -> bool:
    """Tell an attempt, whose creation may never have been answered, what it is at Stripe, and the URL of a Checkout session
    if that is known; False when there is no such attempt."""
    is_intent = subject.startswith("pi_")
    kind = "payment_intent" if is_intent else "checkout_session"
    statement = update(PaymentAttempt).where(PaymentAttempt.id == attempt_id)
    unmade = statement.where(PaymentAttempt.stripe_id.is_(None), PaymentAttempt.kind == kind)
    await db.execute(unmade.values(stripe_id=subject, url=func.coalesce(PaymentAttempt.url, url)))
    if is_intent:
        unset = PaymentAttempt.stripe_payment_intent_id.is_(None)
        await db.execute(statement.where(unset).values(stripe_payment_intent_id=subject))
    found = select(PaymentAttempt.id).where(PaymentAttempt.id == attempt_id)
    return (await db.execute(found)).one_or_none() is not None


async def lock_order_of(db: AsyncSession, attempt_id: UUID) -> None:
    """Lock the order of an attempt. Every change of its payment, refunds, disputes and ledger comes after this lock."""
    order_id = select(PaymentAttempt.order_id).where(PaymentAttempt.id == attempt_id).scalar_subquery()
    await db.execute(select(Order.id).where(Order.id == order_id).with_for_update(key_share=True))


async def find_stored(db: AsyncSession, attempt_id: UUID) -> AnyRow:
    """An attempt with its payment and order, which is locked."""
    later = aliased(PaymentAttempt)
    is_latest = ~exists().where(later.order_id == PaymentAttempt.order_id, later.id > PaymentAttempt.id)
    statement = (
        select(
            Order.id.label("order_id"),
            Order.user_id,
            Order.status,
            Order.total_amount,
            Order.currency,
            Order.flag,
            Payment.id.label("payment_id"),
            Payment.status.label("payment_status"),
            PaymentAttempt.id.label("attempt_id"),
            PaymentAttempt.read_at,
            PaymentAttempt.closed_at.is_(None).label("is_open"),
            is_latest.label("is_latest"),
        )
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .join(Order, Order.id == PaymentAttempt.order_id)
        .where(PaymentAttempt.id == attempt_id)
    )
    return (await db.execute(statement)).one()


async def find_refunds(db: AsyncSession, order_id: UUID) -> tuple[StoredRefund, ...]:
    """The refunds of an order."""
    statement = select(Refund.id, Refund.stripe_id, Refund.status, Refund.amount)
    rows = (await db.execute(statement.where(Refund.order_id == order_id))).all()
    return tuple(
        StoredRefund(id=str(row.id), stripe_id=row.stripe_id, status=row.status, amount=row.amount)
        for row in rows
    )


async def find_disputes(db: AsyncSession, order_id: UUID) -> dict[str, StoredDispute]:
    """The disputes of an order, by Stripe's id."""
    statement = select(Dispute.stripe_id, Dispute.status, Dispute.withdrawn)
    rows = (await db.execute(statement.where(Dispute.order_id == order_id))).all()
    return {row.stripe_id: StoredDispute(status=row.status, withdrawn=row.withdrawn) for row in rows}


async def update_attempt(
    db: AsyncSession, attempt_id: UUID, *, values: Mapping[str, Any], outcome: str | None
) -> None:
    """Store what was read of an attempt; it is closed with an outcome."""
    closing = {} if outcome is None else {"outcome": outcome, "closed_at": func.now()}
    await db.execute(
        update(PaymentAttempt).where(PaymentAttempt.id == attempt_id).values({**values, **closing})
    )


async def update_payment(db: AsyncSession, payment_id: UUID, values: Mapping[str, Any]) -> None:
    """Store the state of the payment; the time of its success is kept."""
    has_succeeded = values.get("status") == "succeeded"
    paid = {"paid_at": func.coalesce(Payment.paid_at, func.now())} if has_succeeded else {}
    await db.execute(update(Payment).where(Payment.id == payment_id).values({**values, **paid}))


async def update_order(
    db: AsyncSession,
    order_id: UUID,
    *,
    before: OrderStatus,
    status: OrderStatus,
    receipt_number: str | None = None,
) -> None:
    """Move an order from one status to the next. A receipt number comes with its payment, and ends its reservation."""
    paid = {} if receipt_number is None else {"receipt_number": receipt_number, "expires_at": None}
    statement = (
        update(Order)
        .where(Order.id == order_id, Order.status == before)
        .values(status=status, updated_at=func.now(), **paid)
        .returning(Order.id)
    )
    (await db.execute(statement)).one()


async def flag_order(db: AsyncSession, order_id: UUID, flag: OrderFlag) -> None:
    """Flag an order for an admin; the first flag stays."""
    statement = update(Order).where(Order.id == order_id, Order.flag.is_(None))
    await db.execute(statement.values(flag=flag, updated_at=func.now()))


async def clear_flag(db: AsyncSession, order_id: UUID) -> None:
    """An admin has decided about an order, which is locked."""
    await db.execute(update(Order).where(Order.id == order_id).values(flag=None, updated_at=func.now()))


async def insert_refund(db: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Store a refund; False when it exists: by Stripe's id, or the automatic one of its charge."""
    statement = upsert(Refund).values(dict(values)).on_conflict_do_nothing().returning(Refund.id)
    return (await db.execute(statement)).one_or_none() is not None


async def update_refund(db: AsyncSession, refund_id: UUID, values: Mapping[str, Any]) -> AnyRow:
    """Store the state of a refund."""
    statement = update(Refund).where(Refund.id == refund_id).values({**values, "updated_at": func.now()})
    return (await db.execute(statement.returning(Refund.restock, Refund.restocked_at))).one()


async def lock_order_of_refund(db: AsyncSession, refund_id: UUID) -> None:
    """Lock the order of a refund."""
    order_id = select(Refund.order_id).where(Refund.id == refund_id).scalar_subquery()
    await db.execute(select(Order.id).where(Order.id == order_id).with_for_update(key_share=True))


async def find_unknown_refund(db: AsyncSession, refund_id: UUID) -> AnyRow | None:
    """A refund of unknown outcome with its order, which is locked."""
    statement = (
        select(
            Refund.order_id,
            Refund.stripe_charge_id,
            Refund.amount,
            Refund.currency,
            Order.status,
            Order.currency.label("order_currency"),
        )
        .join(Order, Order.id == Refund.order_id)
        .where(Refund.id == refund_id, Refund.status == "outcome_unknown")
    )
    return (await db.execute(statement)).one_or_none()


async def mark_restocked(db: AsyncSession, refund_id: UUID) -> None:
    """The pieces of a refund are back in stock."""
    await db.execute(update(Refund).where(Refund.id == refund_id).values(restocked_at=func.now()))


async def upsert_dispute(
    db: AsyncSession, dispute: DisputeState, *, order_id: UUID, payment_id: UUID
) -> None:
    """Store the state of a dispute."""
    read = dispute.reading
    state = {
        "status": read.status,
        "reason": read.reason,
        "amount": read.amount,
        "currency": read.currency,
        "withdrawn": dispute.withdrawn,
        "is_charge_refundable": read.is_charge_refundable,
        "evidence_due_by": read.evidence_due_by,
    }
    identity = {
        "stripe_id": read.id,
        "order_id": order_id,
        "payment_id": payment_id,
        "stripe_charge_id": read.charge,
    }
    statement = upsert(Dispute).values(**identity, **state)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=[Dispute.stripe_id], set_=state | {"updated_at": func.now()}
        )
    )


async def insert_decline(db: AsyncSession, *, charge_id: str, user_id: UUID) -> None:
    """Count a decline, once a charge."""
    statement = upsert(Decline).values(charge_id=charge_id, user_id=user_id).on_conflict_do_nothing()
    await db.execute(statement)
