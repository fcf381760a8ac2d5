"""Reading an attempt at Stripe, and storing what the reading says."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.currencies import CURRENCIES
from payment.history import repository as history
from payment.history.repository import By, Change
from payment.ledger import repository as ledger
from payment.ledger.books import Figures
from payment.models import OrderEventType, OrderStatus, RefundStatus
from payment.orders import repository as orders
from payment.orders.service import append_order_event
from payment.settlement import repository
from payment.settlement.readings import (
    METADATA_SERVICE,
    Charge,
    DisputeReading,
    Intent,
    Reading,
    RefundReading,
    Session,
)
from payment.settlement.rules import (
    CLOSED_DISPUTES,
    Decision,
    PaymentState,
    RefundState,
    Stored,
    decide,
    follow_refund,
    status_of,
)
from payment.stripe_api.client import StripeApi, walk

INTENT_EXPANSION = ("latest_charge.balance_transaction",)


async def settle_attempt(database: Database, stripe: StripeApi, attempt_id: UUID, by: By) -> None:
    """Read an attempt at Stripe, and store what has become of it. Nothing happens when it was not made there yet.

    Raises `StripeUnavailable`, `StripeRefused`.
    """
    reading = await read_attempt(database, stripe, attempt_id)
    if reading is not None:
        async with database.transaction(one_at_a_time=reading.order_id) as db:
            await apply_reading(db, attempt_id, reading, by)


async def read_attempt(database: Database, stripe: StripeApi, attempt_id: UUID) -> Reading | None:
    """What Stripe says of an attempt now; None when it was not made there yet. Raises `StripeUnavailable`, `StripeRefused`."""
    attempt = await repository.find_attempt(database, attempt_id)
    if attempt is None or attempt.stripe_id is None:
        return None
    nothing = Reading(order_id=attempt.order_id, began_at=await repository.read_clock(database))
    session = None
    intent_id = attempt.stripe_payment_intent_id
    if attempt.kind == "checkout_session":
        session = Session.of(await stripe.retrieve_checkout_session(attempt.stripe_id))
        intent_id = session.payment_intent
    if intent_id is None:
        return replace(nothing, session=session)
    intent = Intent.of(await stripe.retrieve_payment_intent(intent_id, expand=INTENT_EXPANSION))
    if intent.charge is None:
        return replace(nothing, session=session, intent=intent)
    refunds, disputes = await asyncio.gather(
        _read_refunds(stripe, intent_id), _read_disputes(stripe, intent_id)
    )
    return replace(nothing, session=session, intent=intent, refunds=refunds, disputes=disputes)


async def _read_refunds(stripe: StripeApi, intent_id: str) -> tuple[RefundReading, ...]:
    found = [
        RefundReading.of(each) async for each in walk(stripe.list_refunds, {"payment_intent": intent_id})
    ]
    return tuple(reversed(found))


async def _read_disputes(stripe: StripeApi, intent_id: str) -> tuple[DisputeReading, ...]:
    found = [
        DisputeReading.of(each) async for each in walk(stripe.list_disputes, {"payment_intent": intent_id})
    ]
    return tuple(reversed(found))


async def apply_reading(db: AsyncSession, attempt_id: UUID, reading: Reading, by: By) -> None:
    """Store what a reading says. One that began before the last that was applied changes nothing: whatever it was made for,
    the later one has seen."""
    await repository.lock_order_of(db, attempt_id)
    row, stored = await find_state(db, attempt_id)
    if row.read_at is not None and row.read_at >= reading.began_at:
        return
    decision = decide(stored, reading)
    await _store(db, row, stored, reading, decision, by)


async def find_state(db: AsyncSession, attempt_id: UUID) -> tuple[AnyRow, Stored]:
    """What is stored of an attempt and its order, as `decide` takes it. Lock the order first to act on it."""
    row = await repository.find_stored(db, attempt_id)
    stored = Stored(
        order_id=str(row.order_id),
        status=row.status,
        total=row.total_amount,
        currency=row.currency,
        flag=row.flag,
        payment_id=str(row.payment_id),
        payment_status=row.payment_status,
        is_latest=row.is_latest,
        attempt_id=str(attempt_id),
        is_open=row.is_open,
        refunds=await repository.find_refunds(db, row.order_id),
        disputes=await repository.find_disputes(db, row.order_id),
        books=await ledger.find_books(db, row.order_id),
    )
    return row, stored


async def _store(
    db: AsyncSession, row: AnyRow, stored: Stored, reading: Reading, decision: Decision, by: By
) -> None:
    await _store_payment(db, row, reading, decision)
    await _move_order(db, row, decision)
    await _store_refunds_and_disputes(db, row, reading, decision)
    if decision.refund_charge is not None:
        await _return_money(db, row, stored, reading, decision)
    await ledger.insert_movements(db, row.order_id, stored.books.new)
    await history.record(db, row.order_id, decision.changes, by)
    for event_type, change_key in _announced(stored, decision):
        await append_order_event(db, type=event_type, order_id=row.order_id, change_key=change_key)


async def _store_payment(db: AsyncSession, row: AnyRow, reading: Reading, decision: Decision) -> None:
    intent = reading.intent
    seen: dict[str, Any] = {"read_at": reading.began_at}
    if intent is not None:
        seen |= {"stripe_payment_intent_id": intent.id, "client_secret": intent.client_secret}
    await repository.update_attempt(db, row.attempt_id, values=seen, outcome=decision.outcome)
    if decision.payment is not None:
        await repository.update_payment(db, row.payment_id, _payment_columns(decision.payment))
    if intent is not None and intent.declined_charge is not None:
        await repository.insert_decline(db, charge_id=intent.declined_charge, user_id=row.user_id)


async def _store_refunds_and_disputes(
    db: AsyncSession, row: AnyRow, reading: Reading, decision: Decision
) -> None:
    for refund in decision.refunds:
        await _store_refund(db, row, refund, intent_id=_intent_id(reading))
    for dispute in decision.disputes:
        await repository.upsert_dispute(db, dispute, order_id=row.order_id, payment_id=row.payment_id)


def _intent_id(reading: Reading) -> str:
    assert reading.intent is not None  # noqa: S101 - money comes by an intent only
    return reading.intent.id


def _announced(stored: Stored, decision: Decision) -> Iterator[tuple[OrderEventType, str]]:
    """The events that subscribers get, each with what it is about."""
    if "paid" in decision.statuses:
        yield "order.paid", "paid"
    for refund in decision.refunds:
        if refund.reading.status == "succeeded":
            yield "order.refunded", refund.reading.id
    for dispute in decision.disputes:
        if dispute.withdrawn > 0:
            yield "order.disputed", dispute.reading.id
        known = stored.disputes.get(dispute.reading.id)
        if known is not None and known.is_open and dispute.reading.status in CLOSED_DISPUTES:
            yield "order.disputed", f"{dispute.reading.id} {dispute.reading.status}"


def _payment_columns(payment: PaymentState) -> dict[str, Any]:
    columns = asdict(payment)
    renamed = {"payment_intent": "stripe_payment_intent_id", "charge": "stripe_charge_id"}
    return {renamed.get(name, name): value for name, value in columns.items()}


async def _move_order(db: AsyncSession, row: AnyRow, decision: Decision) -> None:
    before: OrderStatus = row.status
    for status in decision.statuses:
        number = None
        if status == "paid" and before == "pending":
            await orders.sell_stock(db, row.order_id)
            number = await ledger.next_receipt_number(db)
        await repository.update_order(db, row.order_id, before=before, status=status, receipt_number=number)
        before = status
    if decision.flag is not None:
        await repository.flag_order(db, row.order_id, decision.flag)


async def _store_refund(db: AsyncSession, row: AnyRow, refund: RefundState, *, intent_id: str) -> None:
    read = refund.reading
    state = {"stripe_id": read.id, "status": read.status, "failure_reason": read.failure_reason}
    if refund.is_new:
        await repository.insert_refund(
            db,
            state
            | {
                "id": UUID(refund.id),
                "order_id": row.order_id,
                "payment_id": row.payment_id,
                "stripe_payment_intent_id": intent_id,
                "stripe_charge_id": refund.charge,
                "amount": read.amount,
                "currency": read.currency,
                "cause": "stripe",
            },
        )
        return
    stored = await repository.update_refund(db, UUID(refund.id), state)
    await _follow_restock(db, row.order_id, UUID(refund.id), stored, status=read.status)


async def _follow_restock(
    db: AsyncSession, order_id: UUID, refund_id: UUID, refund: AnyRow, *, status: RefundStatus
) -> None:
    """Pieces go back to the stock when their refund is accepted, once; when it is not, they are not counted."""
    if not refund.restock or refund.restocked_at is not None:
        return
    quantities = {each["sku"]: each["quantity"] for each in refund.restock}
    if status in ("pending", "succeeded"):
        await orders.return_to_stock(db, order_id, quantities)
        await repository.mark_restocked(db, refund_id)
    else:
        await orders.count_restocked(db, order_id, {sku: -number for sku, number in quantities.items()})


async def settle_refund(
    db: AsyncSession, refund_id: UUID, reading: RefundReading | None, by: By, *, failure: str | None = None
) -> None:
    """Store how a refund of unknown outcome has ended: as `reading` says, or without one that it was not made, for the
    reason `failure`. Nothing happens when that is known by now."""
    await repository.lock_order_of_refund(db, refund_id)
    row = await repository.find_unknown_refund(db, refund_id)
    if row is None:
        return
    status: RefundStatus = "failed" if reading is None else reading.status
    books = await ledger.find_books(db, row.order_id)
    follow_refund(
        books,
        str(refund_id),
        status,
        charge=row.stripe_charge_id,
        amount=row.amount,
        currency=row.currency,
    )
    await ledger.insert_movements(db, row.order_id, books.new)
    state = {
        "status": status,
        "stripe_id": None if reading is None else reading.id,
        "failure_reason": failure if reading is None else reading.failure_reason,
    }
    stored = await repository.update_refund(db, refund_id, state)
    await _follow_restock(db, row.order_id, refund_id, stored, status=status)
    changes = [
        Change(
            subject="refund",
            subject_id=str(refund_id),
            from_status="outcome_unknown",
            to_status=status,
            amount=row.amount,
            stripe_id=state["stripe_id"],
            note=state["failure_reason"],
        )
    ]
    if row.status in ("paid", "partially_refunded", "refunded", "disputed"):
        disputes = await repository.find_disputes(db, row.order_id)
        final = status_of(
            Figures.of(books, row.order_currency),
            is_disputed=any(each.is_open for each in disputes.values()),
        )
        if final != row.status:
            await repository.update_order(db, row.order_id, before=row.status, status=final)
            changes.append(
                Change(subject="order", subject_id=str(row.order_id), from_status=row.status, to_status=final)
            )
    await history.record(db, row.order_id, changes, by)
    if status == "succeeded" and reading is not None:
        await append_order_event(db, type="order.refunded", order_id=row.order_id, change_key=reading.id)


async def _return_money(
    db: AsyncSession, row: AnyRow, stored: Stored, reading: Reading, decision: Decision
) -> None:
    """Have money that the order cannot take refunded by itself, once a charge."""
    charge, intent_id = decision.refund_charge, _intent_id(reading)
    assert charge is not None  # noqa: S101 - asked by the caller
    refund_id = new_id()
    amount = charge.amount - _already_returned(decision, charge)
    currency = CURRENCIES.get(charge.currency)
    if amount <= 0 or currency is None:
        return
    is_new = await repository.insert_refund(
        db,
        {
            "id": refund_id,
            "order_id": row.order_id,
            "payment_id": row.payment_id,
            "stripe_payment_intent_id": intent_id,
            "stripe_charge_id": charge.id,
            "amount": amount,
            "currency": charge.currency,
            "cause": "sweep",
            "is_automatic": True,
            "note": f"by itself: {decision.flag}",
            "parameters": refund_parameters(
                refund_id,
                order_id=row.order_id,
                intent_id=intent_id,
                minor_units=int(amount.scaleb(currency.minor_digits)),
            ),
        },
    )
    if is_new:
        follow_refund(
            stored.books,
            str(refund_id),
            "outcome_unknown",
            charge=charge.id,
            amount=amount,
            currency=charge.currency,
        )
        decision.changes.append(
            Change(
                subject="refund",
                subject_id=str(refund_id),
                from_status=None,
                to_status="outcome_unknown",
                amount=amount,
                note=decision.flag,
            )
        )


def _already_returned(decision: Decision, charge: Charge) -> Decimal:
    amounts = (
        each.reading.amount
        for each in decision.refunds
        if each.charge == charge.id and each.reading.status not in ("failed", "canceled")
    )
    return sum(amounts, Decimal(0))


def refund_parameters(
    refund_id: UUID, *, order_id: UUID, intent_id: str, minor_units: int, reason: str | None = None
) -> dict[str, Any]:
    """All that Stripe is sent for a refund."""
    params: dict[str, Any] = {
        "payment_intent": intent_id,
        "amount": minor_units,
        "metadata": {
            "service": METADATA_SERVICE,
            "order_id": str(order_id),
            "refund_id": str(refund_id),
        },
    }
    return params if reason is None else params | {"reason": reason}
