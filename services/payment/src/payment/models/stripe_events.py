"""The inbox of Stripe's events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import func

from dbcommon.jobs.queue import JobColumns
from payment.models.base import Model

_IS_PENDING = "done_at IS NULL AND failed_at IS NULL"
_PENDING = text(_IS_PENDING)


class StripeEvent(JobColumns, Model):
    """An event that Stripe has delivered, a job of the worker.

    `subject`: the Stripe id whose events are applied one after the other: a PaymentIntent, or a Checkout session.
    `body`: as it came. `order_id`: the order that it concerned. `foreign_because`: why it was kept and not applied.
    """

    __tablename__ = "stripe_events"
    __table_args__ = (
        Index("ix_stripe_events_due_at", "due_at", postgresql_where=text(f"{_IS_PENDING} AND attempts >= 0")),
        Index("ix_stripe_events_subject_position", "subject", "position", postgresql_where=_PENDING),
        Index(
            "ix_stripe_events_failed_at", "failed_at", "id", postgresql_where=text("failed_at IS NOT NULL")
        ),
        Index("ix_stripe_events_done_at", "done_at", postgresql_where=text("done_at IS NOT NULL")),
        Index("ix_stripe_events_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger(), Identity())
    type: Mapped[str]
    api_version: Mapped[str | None]
    livemode: Mapped[bool]
    subject: Mapped[str]
    body: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    order_id: Mapped[UUID | None]
    foreign_because: Mapped[str | None]
    last_error: Mapped[str | None]
