"""Idempotency keys of requests that are in progress, under a lease."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "idempotency_in_progress"
down_revision = "payment_0001_first_tables"
branch_labels = None
depends_on = None

CHECKS = {
    "answer": "(status_code IS NULL) = (body IS NULL)",
    "lease": "(lease_token IS NULL) = (leased_until IS NULL)",
    "in_progress": "(status_code IS NULL) <> (lease_token IS NULL)",
}


def upgrade() -> None:
    op.add_column(
        "idempotency_keys",
        sa.Column("request_id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
    )
    op.add_column("idempotency_keys", sa.Column("lease_token", sa.Uuid()))
    op.add_column("idempotency_keys", sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True)))
    op.alter_column("idempotency_keys", "status_code", nullable=True)
    op.alter_column("idempotency_keys", "body", nullable=True)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_idempotency_keys_{name}"), "idempotency_keys", condition)


def downgrade() -> None:
    # A request in progress has no response to store.
    op.execute("DELETE FROM idempotency_keys WHERE status_code IS NULL")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_idempotency_keys_{name}"), "idempotency_keys")
    op.alter_column("idempotency_keys", "body", nullable=False)
    op.alter_column("idempotency_keys", "status_code", nullable=False)
    for name in ("leased_until", "lease_token", "request_id"):
        op.drop_column("idempotency_keys", name)
