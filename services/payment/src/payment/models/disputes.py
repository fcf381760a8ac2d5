"""Disputes and inquiries."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from payment.models.base import Model


class Dispute(Model):
    """A dispute of a charge, as Stripe tells it. Status and reason are Stripe's words, an open set.

    `withdrawn`: what its balance transactions have taken and not given back; an inquiry takes nothing.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        Index("ix_disputes_order_id", "order_id"),
        Index("ix_disputes_payment_id", "payment_id"),
        Index("ix_disputes_created_at_id", "created_at", "id"),
        Index("ix_disputes_status_created_at_id", "status", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    stripe_id: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id", ondelete="RESTRICT"))
    stripe_charge_id: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    amount: Mapped[Decimal]
    currency: Mapped[str]
    withdrawn: Mapped[Decimal]
    is_charge_refundable: Mapped[bool]
    evidence_due_by: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
