"""Outgoing webhooks: the URLs that are told of changes, the events, and the delivery of each event to each URL."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.jobs.queue import JobColumns
from dbcommon.models import PrimaryKey, one_of
from payment.models.base import Model

OrderEventType = Literal["order.paid", "order.refunded", "order.disputed"]
OutgoingEventType = Literal["order.paid", "order.refunded", "order.disputed", "webhook_endpoint.disabled"]
EndpointStatus = Literal["enabled", "disabled"]
DisabledReason = Literal["admin", "failures"]
DeliveryStatus = Literal["pending", "delivered", "failed"]

PENDING = "done_at IS NULL AND failed_at IS NULL"


class WebhookEndpoint(Model):
    """A URL that events are sent to. Secrets are encrypted under a key of the service, since each attempt is signed.

    The previous secret signs as well until `previous_secret_until`. `first_failure_at` is the first failure since the
    last success.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(one_of("status", EndpointStatus), name="status"),
        CheckConstraint(one_of("disabled_reason", DisabledReason), name="disabled_reason"),
        CheckConstraint("(status = 'disabled') = (disabled_reason IS NOT NULL)", name="disabled"),
        CheckConstraint("cardinality(event_types) > 0", name="event_types"),
        CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_until IS NULL)", name="previous_secret"
        ),
        Index("ix_webhook_endpoints_created_at_id", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    secret: Mapped[bytes] = mapped_column(info={"secret": True})
    previous_secret: Mapped[bytes | None] = mapped_column(info={"secret": True})
    previous_secret_until: Mapped[datetime | None]
    status: Mapped[EndpointStatus] = mapped_column(Text(), server_default="enabled")
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(Text())
    first_failure_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutgoingEvent(Model):
    """What happened. `body` is the text that every attempt sends. `change_key` names the change: two events of one type for
    one change of an order cannot be stored. `sequence` counts the events of an order."""

    __tablename__ = "outgoing_events"
    __table_args__ = (
        UniqueConstraint("order_id", "sequence"),
        UniqueConstraint("order_id", "type", "change_key"),
        CheckConstraint(one_of("type", OutgoingEventType), name="type"),
        CheckConstraint("(order_id IS NULL) = (type = 'webhook_endpoint.disabled')", name="order_id"),
        CheckConstraint("(order_id IS NULL) = (sequence IS NULL)", name="sequence"),
        {"info": {"append_only": True}},
    )

    id: Mapped[PrimaryKey]
    type: Mapped[OutgoingEventType] = mapped_column(Text())
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id", ondelete="RESTRICT"))
    sequence: Mapped[int | None]
    change_key: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookDelivery(JobColumns, Model):
    """An event on its way to an endpoint, or arrived, or given up: a job of a queue.

    Those of a `lane`, which is an endpoint and an order, are sent one after the other, by the event's `sequence`. `failures` and `failing_since` count since the
    delivery was made or asked for again. `ended_attempts` is the number of the last attempt whose end is known. The
    other columns tell of that attempt.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("done_at IS NULL OR failed_at IS NULL", name="end"),
        CheckConstraint("ended_attempts <= attempts", name="ended_attempts"),
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            postgresql_where=text(f"{PENDING} AND attempts >= 0"),
        ),
        Index(
            "ix_webhook_deliveries_in_order",
            "lane",
            "sequence",
            postgresql_where=text(PENDING),
        ),
        Index("ix_webhook_deliveries_endpoint_id_created_at_id", "endpoint_id", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("outgoing_events.id", ondelete="RESTRICT"), index=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    lane: Mapped[str | None]
    sequence: Mapped[int | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    failing_since: Mapped[datetime | None]
    ended_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_attempt_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    response_status: Mapped[int | None]
    response_excerpt: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
