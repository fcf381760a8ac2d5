"""Refunds."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from payment.models.base import CURRENCY_SHAPE, Model
from payment.models.payment_events import Cause

RefundStatus = Literal["outcome_unknown", "pending", "succeeded", "failed", "canceled"]

RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
"""Stripe's reasons."""


class Refund(Model):
    """A refund of a charge. It is stored, as `outcome_unknown`, before Stripe is sent `parameters`, which never change.

    `parameters` is null for a refund that was made at Stripe itself. `is_automatic`: of money that no order could take,
    once a charge. `due_at`: when an unknown outcome is looked into next.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint(one_of("status", RefundStatus), name="status"),
        CheckConstraint(one_of("reason", RefundReason), name="reason"),
        CheckConstraint(one_of("cause", Cause), name="cause"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(CURRENCY_SHAPE, name="currency"),
        CheckConstraint("char_length(note) <= 500", name="note"),
        Index("ix_refunds_order_id", "order_id", "id"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_created_at_id", "created_at", "id"),
        Index("ix_refunds_status_created_at_id", "status", "created_at", "id"),
        Index("ix_refunds_due_at", "due_at", postgresql_where=text("status = 'outcome_unknown'")),
        Index("uq_refunds_automatic", "stripe_charge_id", unique=True, postgresql_where=text("is_automatic")),
    )

    id: Mapped[PrimaryKey]
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_payment_intent_id: Mapped[str]
    stripe_charge_id: Mapped[str]
    amount: Mapped[Decimal]
    currency: Mapped[str]
    status: Mapped[RefundStatus] = mapped_column(Text(), server_default="outcome_unknown")
    reason: Mapped[RefundReason | None] = mapped_column(Text())
    note: Mapped[str | None]
    failure_reason: Mapped[str | None]
    cause: Mapped[Cause] = mapped_column(Text())
    actor_id: Mapped[UUID | None]
    is_automatic: Mapped[bool] = mapped_column(server_default=text("false"))
    restock: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    restocked_at: Mapped[datetime | None]
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sends: Mapped[int] = mapped_column(server_default=text("0"))
    sent_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
