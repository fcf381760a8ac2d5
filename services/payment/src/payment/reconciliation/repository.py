"""The statements that find what Stripe's lists are compared with."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, func, literal, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.models import Dispute, LedgerEntry, Payment, PaymentAttempt, Refund
from payment.settlement.rules import CLOSED_DISPUTES


async def find_intents(database: Database, intent_ids: Sequence[str]) -> dict[str, AnyRow]:
    """What is known of these PaymentIntents. `is_shown`: the payment's columns are those of this one; `movements`: the names
    of what is booked on our balance at Stripe."""
    movements = (
        select(func.array_agg(LedgerEntry.movement))
        .where(LedgerEntry.order_id == PaymentAttempt.order_id, LedgerEntry.account == "stripe")
        .scalar_subquery()
    )
    statement = select(
        PaymentAttempt.id,
        PaymentAttempt.kind,
        PaymentAttempt.order_id,
        PaymentAttempt.outcome,
        PaymentAttempt.stripe_payment_intent_id,
        (Payment.stripe_payment_intent_id == PaymentAttempt.stripe_payment_intent_id).label("is_shown"),
        Payment.status,
        Payment.next_action_type,
        Payment.last_error,
        movements.label("movements"),
    ).join(Payment, Payment.id == PaymentAttempt.payment_id)
    rows = await database.fetch_all(
        statement.where(_is_one_of(PaymentAttempt.stripe_payment_intent_id, intent_ids))
    )
    return {row.stripe_payment_intent_id: row for row in rows}


async def find_sessions(database: Database, session_ids: Sequence[str]) -> dict[str, AnyRow]:
    """What is known of these Checkout sessions."""
    statement = select(
        PaymentAttempt.id,
        PaymentAttempt.order_id,
        PaymentAttempt.outcome,
        PaymentAttempt.stripe_id,
        PaymentAttempt.stripe_payment_intent_id,
    )
    rows = await database.fetch_all(statement.where(_is_one_of(PaymentAttempt.stripe_id, session_ids)))
    return {row.stripe_id: row for row in rows}


async def find_attempts_of(database: Database, intent_ids: Iterable[str]) -> dict[str, UUID]:
    """The attempts of these PaymentIntents."""
    statement = select(PaymentAttempt.id, PaymentAttempt.stripe_payment_intent_id)
    known = _is_one_of(PaymentAttempt.stripe_payment_intent_id, list(intent_ids))
    rows = await database.fetch_all(statement.where(known))
    return {row.stripe_payment_intent_id: row.id for row in rows}


async def find_refunds(database: Database, refund_ids: Sequence[str]) -> dict[str, AnyRow]:
    """What is known of these refunds, by Stripe's id."""
    statement = select(Refund.stripe_id, Refund.status, Refund.amount)
    rows = await database.fetch_all(statement.where(_is_one_of(Refund.stripe_id, refund_ids)))
    return {str(row.stripe_id): row for row in rows}


async def find_disputes(database: Database, dispute_ids: Sequence[str]) -> dict[str, AnyRow]:
    """What is known of these disputes, by Stripe's id."""
    statement = select(
        Dispute.stripe_id,
        Dispute.status,
        Dispute.amount,
        Dispute.withdrawn,
        Dispute.is_charge_refundable,
        Dispute.evidence_due_by,
    )
    rows = await database.fetch_all(statement.where(_is_one_of(Dispute.stripe_id, dispute_ids)))
    return {row.stripe_id: row for row in rows}


async def find_unfinished(database: Database) -> list[UUID]:
    """Attempts that are open at Stripe, and those with a refund or a dispute that has not ended."""
    attempt_id = PaymentAttempt.id
    is_open = PaymentAttempt.closed_at.is_(None) & PaymentAttempt.stripe_id.is_not(None)
    of_refund = PaymentAttempt.stripe_payment_intent_id == Refund.stripe_payment_intent_id
    statement = union(
        select(attempt_id).where(is_open),
        select(attempt_id).join(Refund, of_refund).where(Refund.status.in_(("pending", "outcome_unknown"))),
        select(attempt_id)
        .join(Dispute, Dispute.order_id == PaymentAttempt.order_id)
        .where(PaymentAttempt.outcome == "succeeded", Dispute.status.not_in(sorted(CLOSED_DISPUTES))),
    )
    return [row.id for row in await database.fetch_all(statement)]


async def find_made_since(database: Database, *, since: datetime, before: datetime) -> list[tuple[UUID, str]]:
    """The attempts that Stripe has made, with its ids of them."""
    statement = select(PaymentAttempt.id, PaymentAttempt.stripe_id).where(
        PaymentAttempt.stripe_id.is_not(None),
        PaymentAttempt.created_at >= since,
        PaymentAttempt.created_at < before,
    )
    return [(row.id, row.stripe_id) for row in await database.fetch_all(statement)]


async def find_refunds_since(
    database: Database, *, since: datetime, before: datetime
) -> list[tuple[UUID, str]]:
    """The attempts with refunds that Stripe has made, with its ids of these refunds."""
    of_refund = PaymentAttempt.stripe_payment_intent_id == Refund.stripe_payment_intent_id
    statement = select(PaymentAttempt.id, Refund.stripe_id).join(Refund, of_refund)
    made = statement.where(
        Refund.stripe_id.is_not(None), Refund.created_at >= since, Refund.created_at < before
    )
    return [(row.id, row.stripe_id) for row in await database.fetch_all(made)]


async def find_details(db: AsyncSession, attempt_id: UUID, *, before: datetime) -> AnyRow:
    """What is shown of an attempt's payment, and the Stripe ids of its refunds and disputes that were stored before."""
    refunds = _ids_of(
        Refund.stripe_id,
        Refund.stripe_payment_intent_id == PaymentAttempt.stripe_payment_intent_id,
        Refund.created_at < before,
    )
    disputes = _ids_of(
        Dispute.stripe_id,
        Dispute.created_at < before,
        Dispute.stripe_charge_id == Payment.stripe_charge_id,
        Payment.stripe_payment_intent_id == PaymentAttempt.stripe_payment_intent_id,
    )
    statement = select(
        PaymentAttempt.order_id,
        PaymentAttempt.kind,
        PaymentAttempt.stripe_id,
        PaymentAttempt.outcome,
        Payment.stripe_payment_intent_id,
        Payment.status,
        Payment.next_action_type,
        Payment.last_error,
        refunds.label("refunds"),
        disputes.label("disputes"),
    ).join(Payment, Payment.id == PaymentAttempt.payment_id)
    return (await db.execute(statement.where(PaymentAttempt.id == attempt_id))).one()


def _ids_of(column: Any, *conditions: ColumnElement[bool]) -> Any:
    found = select(func.array_agg(column)).where(column.is_not(None), *conditions)
    return func.coalesce(found.scalar_subquery(), literal([], ARRAY(Text)))


def _is_one_of(column: Any, ids: Sequence[str]) -> ColumnElement[bool]:
    is_one: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(Text)))
    return is_one
