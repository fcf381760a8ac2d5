"""What Stripe said of one attempt, read at one time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from payment.models import PaymentStatus, RefundStatus
from payment.money import read_minor_units

Json = Mapping[str, Any]

METADATA_SERVICE = "quartet-payment"
"""The value of `service` in the metadata of every object that this service makes at Stripe."""

HIDDEN_DECLINES = frozenset(
    {
        "fraudulent",
        "lost_card",
        "merchant_blacklist",
        "pickup_card",
        "restricted_card",
        "security_violation",
        "stolen_card",
    }
)
"""Reasons that are not shown to the buyer (Stripe, "Decline codes": present them as a generic decline)."""

_GENERIC = {
    "code": "card_declined",
    "decline_code": "generic_decline",
    "message": "Your card was declined.",
}


@dataclass(frozen=True, kw_only=True)
class Money:
    """A movement of our balance at Stripe. `amount` is negative when it was taken."""

    id: str
    amount: Decimal
    fee: Decimal
    currency: str

    @classmethod
    def of(cls, transaction: Json) -> Self:
        """A balance transaction."""
        currency = transaction["currency"]
        return cls(
            id=transaction["id"],
            amount=read_minor_units(transaction["amount"], currency),
            fee=read_minor_units(transaction["fee"], currency),
            currency=currency,
        )


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A charge that took money. `settled` is None until its fee is known."""

    id: str
    amount: Decimal
    currency: str
    settled: Money | None

    @classmethod
    def of(cls, charge: Json) -> Self | None:
        """None for a charge that took none: it failed, waits, or is not captured."""
        if charge["status"] != "succeeded" or not charge["amount_captured"]:
            return None
        settled = charge.get("balance_transaction")
        return cls(
            id=charge["id"],
            amount=read_minor_units(charge["amount_captured"], charge["currency"]),
            currency=charge["currency"],
            settled=Money.of(settled) if isinstance(settled, Mapping) else None,
        )


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A PaymentIntent. `declined_charge`: the charge whose decline is its last error."""

    id: str
    status: PaymentStatus
    charge: Charge | None
    payment_method: str | None
    next_action_type: str | None
    last_error: dict[str, Any] | None
    declined_charge: str | None
    client_secret: str | None

    @classmethod
    def of(cls, intent: Json) -> Self:
        """A PaymentIntent, with its latest charge expanded."""
        charge = intent.get("latest_charge")
        error = intent.get("last_payment_error")
        return cls(
            id=intent["id"],
            status=intent["status"],
            charge=Charge.of(charge) if isinstance(charge, Mapping) else None,
            payment_method=intent.get("payment_method"),
            next_action_type=(intent.get("next_action") or {}).get("type"),
            last_error=None if error is None else shown_error(error),
            declined_charge=None if error is None else error.get("charge"),
            client_secret=intent.get("client_secret"),
        )


@dataclass(frozen=True, kw_only=True)
class Session:
    """A Checkout session."""

    id: str
    status: str
    payment_intent: str | None

    @classmethod
    def of(cls, session: Json) -> Self:
        """A Checkout session."""
        return cls(id=session["id"], status=session["status"], payment_intent=session.get("payment_intent"))


@dataclass(frozen=True, kw_only=True)
class RefundReading:
    """A refund. `ours`: the id of our row, if we made it."""

    id: str
    ours: str | None
    amount: Decimal
    currency: str
    status: RefundStatus
    failure_reason: str | None

    @classmethod
    def of(cls, refund: Json) -> Self:
        """A refund. One that waits for an action of the buyer is pending."""
        status = refund["status"]
        return cls(
            id=refund["id"],
            ours=(refund.get("metadata") or {}).get("refund_id"),
            amount=read_minor_units(refund["amount"], refund["currency"]),
            currency=refund["currency"],
            status="pending" if status == "requires_action" else status,
            failure_reason=refund.get("failure_reason"),
        )


@dataclass(frozen=True, kw_only=True)
class DisputeReading:
    """A dispute, or an inquiry, which moves no money."""

    id: str
    charge: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    is_charge_refundable: bool
    evidence_due_by: datetime | None
    moved: tuple[Money, ...]

    @classmethod
    def of(cls, dispute: Json) -> Self:
        """A dispute."""
        due_by = (dispute.get("evidence_details") or {}).get("due_by")
        return cls(
            id=dispute["id"],
            charge=dispute["charge"],
            status=dispute["status"],
            reason=dispute["reason"],
            amount=read_minor_units(dispute["amount"], dispute["currency"]),
            currency=dispute["currency"],
            is_charge_refundable=dispute["is_charge_refundable"],
            evidence_due_by=None if due_by is None else datetime.fromtimestamp(due_by, UTC),
            moved=tuple(map(Money.of, dispute["balance_transactions"])),
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All that Stripe says of an attempt at `order_id`. `began_at`: the database's time before the first question."""

    order_id: UUID
    began_at: datetime
    intent: Intent | None = None
    session: Session | None = None
    refunds: tuple[RefundReading, ...] = field(default=())
    disputes: tuple[DisputeReading, ...] = field(default=())


def shown_error(error: Json) -> dict[str, Any]:
    """Why a payment failed, as the buyer may know it."""
    if error.get("decline_code") in HIDDEN_DECLINES:
        return dict(_GENERIC)
    return {name: error.get(name) for name in ("code", "decline_code", "message")}
