"""Payments of orders, and the attempts that were made at Stripe to collect them."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from payment.models.base import CURRENCY_SHAPE, Model

PaymentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]
"""The states of a PaymentIntent, as Stripe spells them."""

AttemptKind = Literal["payment_intent", "checkout_session"]

AttemptOutcome = Literal["succeeded", "canceled", "expired", "refused", "never_made"]


class Payment(Model):
    """The payment of an order: the state of its latest attempt. The row is stored before the PaymentIntent is created, so
    its id may be null."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(one_of("status", PaymentStatus), name="status"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
        Index("ix_payments_created_at_id", "created_at", "id"),
        Index("ix_payments_status_created_at_id", "status", "created_at", "id"),
        Index("ix_payments_stripe_charge_id", "stripe_charge_id"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"), unique=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_charge_id: Mapped[str | None]
    status: Mapped[PaymentStatus] = mapped_column(Text(), server_default="requires_payment_method")
    amount: Mapped[Decimal]
    currency: Mapped[str]
    payment_method: Mapped[str | None]
    next_action_type: Mapped[str | None]
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    paid_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PaymentAttempt(Model):
    """A PaymentIntent or a Checkout session that was made, or is to be made, for an order.

    Its id is part of the idempotency key, and `parameters` are all that Stripe is sent: both are fixed before the first
    call. An order has one open attempt at most (a unique index).

    `read_at`: the database's time at which the last applied reading of Stripe began; an older reading changes nothing.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        CheckConstraint(one_of("kind", AttemptKind), name="kind"),
        CheckConstraint(one_of("outcome", AttemptOutcome), name="outcome"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed"),
        Index("ix_payment_attempts_order_id", "order_id", "id"),
        Index("ix_payment_attempts_payment_id", "payment_id"),
        Index(
            "uq_payment_attempts_open", "order_id", unique=True, postgresql_where=text("closed_at IS NULL")
        ),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    kind: Mapped[AttemptKind] = mapped_column(Text())
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB())
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    client_secret: Mapped[str | None]
    url: Mapped[str | None]
    first_sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None] = mapped_column(Text())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
