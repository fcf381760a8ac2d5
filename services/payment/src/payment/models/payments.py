"""Payments of orders."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, func
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


class Payment(Model):
    """The payment of an order. The row is stored before the PaymentIntent is created, so its id may be null."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(one_of("status", PaymentStatus), name="status"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"), unique=True)
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[PaymentStatus] = mapped_column(Text(), server_default="requires_payment_method")
    amount: Mapped[Decimal]
    currency: Mapped[str]
    payment_method: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
