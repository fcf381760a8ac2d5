"""The rules of settlement, as a pure function of what is stored and what Stripe said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dbcommon.models import new_id
from payment.history.repository import Change
from payment.ledger.books import Books, Figures
from payment.models import Account, AttemptOutcome, OrderFlag, OrderStatus, PaymentStatus, RefundStatus
from payment.settlement.readings import Charge, DisputeReading, Reading, RefundReading

CLOSED_DISPUTES = frozenset({"won", "lost", "prevented", "warning_closed"})

_UNSETTLED: frozenset[RefundStatus] = frozenset({"outcome_unknown", "pending"})
_GIVEN_BACK: frozenset[RefundStatus] = frozenset({"failed", "canceled"})


@dataclass(frozen=True, kw_only=True)
class StoredRefund:
    """A refund as it is stored. `id` is our own."""

    id: str
    stripe_id: str | None
    status: RefundStatus
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class StoredDispute:
    """A dispute as it is stored."""

    status: str
    withdrawn: Decimal

    @property
    def is_open(self) -> bool:
        """Whether it has taken money and is not decided."""
        return self.withdrawn > 0 and self.status not in CLOSED_DISPUTES


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is stored of an order and of one of its attempts, under the order's lock.

    `is_latest`: no later attempt was made. `disputes`: those of the order, by Stripe's id.
    """

    order_id: str
    status: OrderStatus
    total: Decimal
    currency: str
    flag: OrderFlag | None
    payment_id: str
    payment_status: PaymentStatus
    is_latest: bool
    attempt_id: str
    is_open: bool
    refunds: tuple[StoredRefund, ...]
    disputes: Mapping[str, StoredDispute]
    books: Books


@dataclass(frozen=True, kw_only=True)
class PaymentState:
    """The columns of the payment's row that follow its intent."""

    status: PaymentStatus
    payment_intent: str
    charge: str | None
    payment_method: str | None
    next_action_type: str | None
    last_error: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class RefundState:
    """A refund to store; a new one was made at Stripe itself."""

    id: str
    is_new: bool
    reading: RefundReading
    charge: str


@dataclass(frozen=True, kw_only=True)
class DisputeState:
    """A dispute to store. `withdrawn`: what its movements have taken and not given back."""

    reading: DisputeReading
    withdrawn: Decimal


@dataclass(kw_only=True)
class Decision:
    """What is to be stored. `statuses`: those that the order takes, one after the other. `refund_charge`: money that has to
    go back by itself."""

    statuses: list[OrderStatus] = field(default_factory=list)
    flag: OrderFlag | None = None
    payment: PaymentState | None = None
    outcome: AttemptOutcome | None = None
    refunds: list[RefundState] = field(default_factory=list)
    disputes: list[DisputeState] = field(default_factory=list)
    refund_charge: Charge | None = None
    changes: list[Change] = field(default_factory=list)


def decide(stored: Stored, reading: Reading) -> Decision:
    """What the reading changes. New movements are in `stored.books.new`; the same reading a second time changes nothing."""
    decision = Decision()
    _close_attempt(stored, reading, decision)
    charge = reading.intent.charge if reading.intent else None
    if charge is not None:
        _take_money(stored, charge, decision)
        for refund in reading.refunds:
            _follow_refund(stored, charge, refund, decision)
        for dispute in reading.disputes:
            _follow_dispute(stored, dispute, decision)
    _follow_intent(stored, reading, decision)
    _follow_figures(stored, decision)
    return decision


def _close_attempt(stored: Stored, reading: Reading, decision: Decision) -> None:
    outcome = _outcome_of(reading)
    if stored.is_open and outcome is not None:
        decision.outcome = outcome
        thing = reading.session or reading.intent
        decision.changes.append(
            Change(
                subject="attempt",
                subject_id=stored.attempt_id,
                from_status="open",
                to_status=outcome,
                stripe_id=thing.id if thing else None,
            )
        )


def _outcome_of(reading: Reading) -> AttemptOutcome | None:
    status = reading.intent.status if reading.intent else None
    if status == "succeeded":
        return "succeeded"
    if status == "canceled":
        return "canceled"
    if reading.session is not None and reading.session.status == "expired":
        return "expired"
    # A session is paid once: when its bank debit has failed, nothing can pay it any more.
    is_complete = reading.session is not None and reading.session.status == "complete"
    return "canceled" if is_complete and status == "requires_payment_method" else None


def _take_money(stored: Stored, charge: Charge, decision: Decision) -> None:
    """Book a charge, for the order if it is the money that the order waits for."""
    name = _charge(charge.id)
    if name not in stored.books:
        flag = _why_unallocated(stored, charge)
        if flag is None:
            decision.statuses.append("paid")
        else:
            decision.flag = flag
        if flag in ("late_payment", "second_payment"):
            decision.refund_charge = charge
        stored.books.move(
            name,
            charge.amount,
            charge.currency,
            source="unallocated" if flag else "sales",
            target="stripe",
        )
    if charge.settled is not None:
        settled = charge.settled
        stored.books.move(f"fee {settled.id}", settled.fee, settled.currency, source="stripe", target="fees")


def _why_unallocated(stored: Stored, charge: Charge) -> OrderFlag | None:
    if stored.status in ("cancelled", "expired"):
        return "late_payment"
    if stored.status != "pending":
        return "second_payment"
    is_right = charge.amount == stored.total and charge.currency == stored.currency
    return None if is_right else "amount_mismatch"


def _charge(charge_id: str) -> str:
    return f"charge {charge_id}"


def is_charge_unallocated(books: Books, charge: str) -> bool:
    """Whether a charge took money that no order has, and none was made to take since."""
    return "unallocated" in books[_charge(charge)].amounts and f"accepted {charge}" not in books


def find_unallocated(books: Books) -> list[tuple[str, Decimal, str]]:
    """The charges whose money no order has, each with its amount and currency."""
    charges = [name.removeprefix("charge ") for name in books.names("charge ")]
    return [
        (charge, -books[_charge(charge)].amounts["unallocated"], books[_charge(charge)].currency)
        for charge in charges
        if is_charge_unallocated(books, charge)
    ]


def accept_charge(books: Books, charge: str, amount: Decimal, currency: str) -> None:
    """Book money that no order had as what its order was paid."""
    books.move(f"accepted {charge}", amount, currency, source="sales", target="unallocated")


def follow_refund(
    books: Books, refund_id: str, status: RefundStatus, *, charge: str, amount: Decimal, currency: str
) -> None:
    """Book what a refund in this status means. Refunds of money that no order has go back from where that money is."""
    name = f"refund {refund_id}"
    if f"{name} returned" in books and (status not in _GIVEN_BACK or f"{name} again held" in books):
        name += " again"  # it was taken for one that Stripe has not made
    is_unallocated = is_charge_unallocated(books, charge)
    if f"{name} held" in books:
        is_unallocated = "unallocated" in books[f"{name} held"].amounts
    held: Account = "unallocated" if is_unallocated else "refunds_pending"
    books.move(f"{name} held", amount, currency, source="stripe", target=held)
    if status in _UNSETTLED:
        return
    has_succeeded = f"{name} succeeded" in books
    if status == "succeeded" and not is_unallocated:
        books.move(f"{name} succeeded", amount, currency, source=held, target="refunds")
    if status in _GIVEN_BACK:
        source: Account = "refunds" if has_succeeded else held
        books.move(f"{name} returned", amount, currency, source=source, target="stripe")


def _follow_refund(stored: Stored, charge: Charge, refund: RefundReading, decision: Decision) -> None:
    known = next(
        (each for each in stored.refunds if refund.id == each.stripe_id or refund.ours == each.id), None
    )
    refund_id = known.id if known else str(new_id())
    follow_refund(
        stored.books,
        refund_id,
        refund.status,
        charge=charge.id,
        amount=refund.amount,
        currency=refund.currency,
    )
    before = known.status if known else None
    if before != refund.status or (known and known.stripe_id is None):
        decision.refunds.append(
            RefundState(id=refund_id, is_new=known is None, reading=refund, charge=charge.id)
        )
    if before != refund.status:
        decision.changes.append(
            Change(
                subject="refund",
                subject_id=refund_id,
                from_status=before,
                to_status=refund.status,
                amount=refund.amount,
                stripe_id=refund.id,
                note=refund.failure_reason,
            )
        )


def _follow_dispute(stored: Stored, dispute: DisputeReading, decision: Decision) -> None:
    withdrawn = Decimal(0)
    for money in dispute.moved:
        # What an account in another currency lost is booked as the bank claims it.
        amount = money.amount if money.currency == stored.currency else dispute.amount.copy_sign(money.amount)
        withdrawn -= amount
        name = f"dispute {money.id}"
        stored.books.move(name, -amount, dispute.currency, source="stripe", target="disputes")
        stored.books.move(f"fee {money.id}", money.fee, money.currency, source="stripe", target="fees")
    _close_dispute(stored.books, dispute, withdrawn)
    known = stored.disputes.get(dispute.id)
    decision.disputes.append(DisputeState(reading=dispute, withdrawn=withdrawn))
    if known is None or known.status != dispute.status:
        decision.changes.append(
            Change(
                subject="dispute",
                subject_id=dispute.id,
                from_status=known.status if known else None,
                to_status=dispute.status,
                amount=dispute.amount,
                stripe_id=dispute.id,
                note=dispute.reason,
            )
        )


def _close_dispute(books: Books, dispute: DisputeReading, withdrawn: Decimal) -> None:
    """What a lost dispute took counts as given back; an appeal that is won afterwards turns it round."""
    lost = sorted(books.names(f"lost {dispute.id} "))
    is_counted = len(lost) % 2 == 1
    name = f"lost {dispute.id} {len(lost) + 1:02}"
    if dispute.status == "lost" and not is_counted:
        books.move(name, withdrawn, dispute.currency, source="disputes", target="chargebacks")
    elif dispute.status != "lost" and is_counted:
        amount = books[lost[-1]].amounts["chargebacks"]
        books.move(name, amount, dispute.currency, source="chargebacks", target="disputes")


def _follow_intent(stored: Stored, reading: Reading, decision: Decision) -> None:
    """The payment's row shows the latest attempt, or the one that paid."""
    intent = reading.intent
    has_paid = "paid" in decision.statuses
    is_settled = stored.payment_status == "succeeded"
    if intent is None or not (has_paid or (stored.is_latest and not is_settled)):
        return
    decision.payment = PaymentState(
        status=intent.status,
        payment_intent=intent.id,
        charge=intent.charge.id if intent.charge else None,
        payment_method=intent.payment_method,
        next_action_type=intent.next_action_type,
        last_error=intent.last_error,
    )
    if intent.status != stored.payment_status:
        decision.changes.append(
            Change(
                subject="payment",
                subject_id=stored.payment_id,
                from_status=stored.payment_status,
                to_status=intent.status,
                stripe_id=intent.id,
                note=(intent.last_error or {}).get("decline_code"),
            )
        )


def _follow_figures(stored: Stored, decision: Decision) -> None:
    status = decision.statuses[-1] if decision.statuses else stored.status
    if status not in ("pending", "cancelled", "expired"):
        figures = Figures.of(stored.books, stored.currency)
        final = status_of(figures, is_disputed=_has_open_dispute(stored, decision))
        if final != status:
            decision.statuses.append(final)
    before = stored.status
    for status in decision.statuses:
        decision.changes.append(
            Change(
                subject="order",
                subject_id=stored.order_id,
                from_status=before,
                to_status=status,
                amount=stored.total if status == "paid" else None,
            )
        )
        before = status


def _has_open_dispute(stored: Stored, decision: Decision) -> bool:
    read = {
        each.reading.id: StoredDispute(status=each.reading.status, withdrawn=each.withdrawn)
        for each in decision.disputes
    }
    return any(dispute.is_open for dispute in (dict(stored.disputes) | read).values())


def status_of(figures: Figures, *, is_disputed: bool) -> OrderStatus:
    """The status of an order that was paid."""
    if is_disputed:
        return "disputed"
    if figures.refunded >= figures.paid:
        return "refunded"
    return "partially_refunded" if figures.refunded > 0 else "paid"
