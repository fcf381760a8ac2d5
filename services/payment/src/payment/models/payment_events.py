"""What happened to orders, payments, refunds and disputes, and by what cause."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import one_of
from payment.models.base import Model

Cause = Literal["buyer", "admin", "stripe", "sweep", "reconcile"]

Subject = Literal["order", "payment", "attempt", "refund", "dispute"]


class PaymentEvent(Model):
    """A change of a status, in the order of `id`. Append-only.

    `subject_id`: our id, or Stripe's for a dispute. `stripe_id`: the object at Stripe. `note`: why, in words.
    """

    __tablename__ = "payment_events"
    __table_args__ = (
        CheckConstraint(one_of("cause", Cause), name="cause"),
        CheckConstraint(one_of("subject", Subject), name="subject"),
        Index("ix_payment_events_order_id", "order_id", "id"),
        {"info": {"append_only": True}},
    )

    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    cause: Mapped[Cause] = mapped_column(Text())
    actor_id: Mapped[UUID | None]
    subject: Mapped[Subject] = mapped_column(Text())
    subject_id: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    amount: Mapped[Decimal | None]
    stripe_id: Mapped[str | None]
    note: Mapped[str | None]


class Decline(Model):
    """A declined charge, counted against card testing."""

    __tablename__ = "declines"
    __table_args__ = (Index("ix_declines_user_id", "user_id", "at"),)

    charge_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
