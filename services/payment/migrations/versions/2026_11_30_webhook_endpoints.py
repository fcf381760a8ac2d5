"""Outgoing webhooks: endpoints, events, and deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

from dbcommon.migrations import make_append_only

revision = "webhook_endpoints"
down_revision = "payments_at_stripe"
branch_labels = None
depends_on = None

PENDING = "done_at IS NULL AND failed_at IS NULL"


def upgrade() -> None:
    _create_endpoints()
    _create_events()
    _create_deliveries()


def downgrade() -> None:
    for table in ("webhook_deliveries", "outgoing_events", "webhook_endpoints"):
        op.drop_table(table)


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        _id(),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary()),
        _moment("previous_secret_until"),
        sa.Column("status", sa.Text(), nullable=False, server_default="enabled"),
        sa.Column("disabled_reason", sa.Text()),
        _moment("first_failure_at"),
        _now("created_at"),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
        *_checks(
            "webhook_endpoints",
            status="status IN ('enabled', 'disabled')",
            disabled_reason="disabled_reason IN ('admin', 'failures')",
            disabled="(status = 'disabled') = (disabled_reason IS NOT NULL)",
            event_types="cardinality(event_types) > 0",
            **{"previous_secret": "(previous_secret IS NULL) = (previous_secret_until IS NULL)"},
        ),
    )
    op.create_index("ix_webhook_endpoints_created_at_id", "webhook_endpoints", ["created_at", "id"])


def _create_events() -> None:
    op.create_table(
        "outgoing_events",
        _id(),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("sequence", sa.Integer()),
        sa.Column("change_key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_events"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_outgoing_events_order_id_orders", ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("order_id", "sequence", name="uq_outgoing_events_order_id_sequence"),
        sa.UniqueConstraint(
            "order_id", "type", "change_key", name="uq_outgoing_events_order_id_type_change_key"
        ),
        *_checks(
            "outgoing_events",
            type="type IN ('order.paid', 'order.refunded', 'order.disputed', 'webhook_endpoint.disabled')",
            order_id="(order_id IS NULL) = (type = 'webhook_endpoint.disabled')",
            sequence="(order_id IS NULL) = (sequence IS NULL)",
        ),
    )
    make_append_only(["outgoing_events"])


def _create_deliveries() -> None:
    table = "webhook_deliveries"
    op.create_table(
        table,
        _id(),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.Text()),
        sa.Column("sequence", sa.Integer()),
        _zero("attempts"),
        _now("due_at"),
        _moment("done_at"),
        _moment("failed_at"),
        _zero("failures"),
        _moment("failing_since"),
        _zero("ended_attempts"),
        _moment("last_attempt_at"),
        sa.Column("duration_ms", sa.Integer()),
        sa.Column("response_status", sa.Integer()),
        sa.Column("response_excerpt", sa.Text()),
        sa.Column("error", sa.Text()),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["outgoing_events.id"],
            name="fk_webhook_deliveries_event_id_outgoing_events",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name="fk_webhook_deliveries_endpoint_id_webhook_endpoints",
            ondelete="CASCADE",
        ),
        *_checks(
            table, end="done_at IS NULL OR failed_at IS NULL", ended_attempts="ended_attempts <= attempts"
        ),
    )
    op.create_index("ix_webhook_deliveries_event_id", table, ["event_id"])
    op.create_index(
        "ix_webhook_deliveries_due",
        table,
        ["endpoint_id", "due_at"],
        postgresql_where=sa.text(f"{PENDING} AND attempts >= 0"),
    )
    op.create_index(
        "ix_webhook_deliveries_in_order",
        table,
        ["lane", "sequence"],
        postgresql_where=sa.text(PENDING),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_created_at_id", table, ["endpoint_id", "created_at", "id"]
    )


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"))


def _moment(name: str) -> sa.Column:
    return sa.Column(name, TIMESTAMP(timezone=True))


def _now(name: str) -> sa.Column:
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now())


def _zero(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))


def _checks(table: str, **conditions: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
        for name, condition in conditions.items()
    ]
