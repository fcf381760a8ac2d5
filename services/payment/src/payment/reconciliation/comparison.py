"""Where a reading of Stripe and what is stored differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dbcommon.rows import AnyRow
from payment.history.repository import Change
from payment.money import show_amount
from payment.settlement.readings import DisputeReading, Intent, Reading, RefundReading, Session
from payment.settlement.rules import Decision, Stored, decide

PAYABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An object that is not the same here and at Stripe. None: it is not known there. `is_fixable`: Stripe's truth can be
    applied; `is_fixed`: it was."""

    object: str
    order_id: str | None
    ours: str | None
    stripe: str | None
    is_fixable: bool = True
    is_fixed: bool = False

    def fixed(self) -> "Difference":
        """The same, after Stripe's truth was applied."""
        return replace(self, is_fixed=self.is_fixable)


def is_intent_known(row: AnyRow, intent: Intent) -> bool:
    """Whether all that a PaymentIntent of a list says is stored. False may be wrong, which costs a reading."""
    if intent.status in ("succeeded", "canceled") and row.outcome is None:
        return False
    if row.kind == "payment_intent" and row.outcome is not None and intent.status in PAYABLE:
        return False
    shown = (intent.status, intent.next_action_type, intent.last_error)
    if row.is_shown and shown != (row.status, row.next_action_type, row.last_error):
        return False
    return _booked_for(intent) <= set(row.movements or ())


def _booked_for(intent: Intent) -> set[str]:
    charge = intent.charge
    if charge is None:
        return set()
    has_fee = charge.settled is not None and charge.settled.fee
    fee = {f"fee {charge.settled.id}"} if charge.settled is not None and has_fee else set[str]()
    return {f"charge {charge.id}"} | fee


def is_session_known(row: AnyRow, session: Session) -> bool:
    """Whether all that a Checkout session of a list says is stored."""
    if session.status != "open" and row.outcome is None:
        return False
    return session.payment_intent in (None, row.stripe_payment_intent_id)


def is_dispute_known(row: AnyRow | None, dispute: DisputeReading) -> bool:
    """Whether all that a dispute of a list says is stored."""
    return row is not None and (
        row.status,
        row.amount,
        row.is_charge_refundable,
        row.evidence_due_by,
    ) == (dispute.status, dispute.amount, dispute.is_charge_refundable, dispute.evidence_due_by)


def is_refund_known(row: AnyRow | None, refund: RefundReading) -> bool:
    """Whether all that a refund of a list says is stored."""
    return row is not None and row.status == refund.status


def compare(
    stored: Stored, details: AnyRow, known_disputes: Mapping[str, AnyRow], reading: Reading
) -> list[Difference]:
    """The differences of a reading of an attempt, and what is stored of it."""
    decision = decide(stored, reading)
    order_id = stored.order_id
    found = [_of_change(change, order_id) for change in decision.changes]
    found += [
        Difference(
            object=f"ledger {movement.name}",
            order_id=order_id,
            ours=None,
            stripe=f"{max(movement.amounts.values()).normalize():f} {movement.currency}",
        )
        for movement in stored.books.new
    ]
    found += _of_payment(details, decision, order_id)
    found += _of_disputes(known_disputes, decision, order_id)
    found += _of_missing(details, reading, order_id)
    return found


def _of_change(change: Change, order_id: str) -> Difference:
    return Difference(
        object=f"{change.subject} {change.stripe_id or change.subject_id}",
        order_id=order_id,
        ours=change.from_status,
        stripe=change.to_status,
    )


def _of_payment(details: AnyRow, decision: Decision, order_id: str) -> Iterator[Difference]:
    """What a payment shows besides its status: why it failed, what the buyer has to do."""
    payment = decision.payment
    if payment is None or payment.status != details.status:
        return
    ours = (details.next_action_type, details.last_error)
    if ours != (payment.next_action_type, payment.last_error):
        yield Difference(
            object=f"payment {payment.payment_intent}",
            order_id=order_id,
            ours=_describe(details.status, *ours),
            stripe=_describe(payment.status, payment.next_action_type, payment.last_error),
        )


def _describe(status: str, next_action_type: str | None, error: Mapping[str, Any] | None) -> str:
    code = None if error is None else error.get("decline_code") or error.get("code")
    return ", ".join(filter(None, (status, next_action_type, code)))


def _of_disputes(known: Mapping[str, AnyRow], decision: Decision, order_id: str) -> Iterator[Difference]:
    """What disputes say besides their status."""
    for dispute in decision.disputes:
        read, row = dispute.reading, known.get(dispute.reading.id)
        if row is not None and row.status == read.status and not is_dispute_known(row, read):
            yield Difference(
                object=f"dispute {read.id}",
                order_id=order_id,
                ours=_describe_dispute(row, read.currency),
                stripe=_describe_dispute(read, read.currency),
            )


def _describe_dispute(dispute: Any, currency: str) -> str:
    refundable = "refundable" if dispute.is_charge_refundable else "not refundable"
    due = dispute.evidence_due_by
    due_by = "nothing due" if due is None else f"due by {due.isoformat()}"
    return f"{dispute.status}, {show_amount(dispute.amount, currency)}, {refundable}, {due_by}"


def _of_missing(details: AnyRow, reading: Reading, order_id: str) -> Iterator[Difference]:
    """What Stripe does not know, or lets be paid though it is closed here. It is told, and changes nothing."""
    intent = reading.intent
    is_closed = details.kind == "payment_intent" and details.outcome is not None
    if intent is not None and is_closed and intent.status in PAYABLE:
        yield Difference(
            object=f"attempt {intent.id}",
            order_id=order_id,
            ours=details.outcome,
            stripe=intent.status,
            is_fixable=False,
        )
    known = {
        "refund": (details.refunds, {each.id for each in reading.refunds}),
        "dispute": (details.disputes, {each.id for each in reading.disputes}),
    }
    for kind, (ours, theirs) in known.items():
        for missing in sorted(set(ours) - theirs):
            yield Difference(
                object=f"{kind} {missing}", order_id=order_id, ours="stored", stripe=None, is_fixable=False
            )
