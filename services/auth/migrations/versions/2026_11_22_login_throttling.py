"""Counters of attempts: how often a login failed and how often a network signed up, shared by all replicas."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

revision = "login_throttling"
down_revision = "session_details"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = TIMESTAMP(timezone=True)
    op.create_table(
        "attempt_counters",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("moments", ARRAY(moment), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.Column("rounds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("blocked_until", moment),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempt_counters"),
        sa.CheckConstraint("octet_length(key) = 32", name=op.f("ck_attempt_counters_key")),
        sa.CheckConstraint("pending >= 0", name=op.f("ck_attempt_counters_pending")),
        sa.CheckConstraint("rounds >= 0", name=op.f("ck_attempt_counters_rounds")),
    )
    op.create_index("ix_attempt_counters_expires_at", "attempt_counters", ["expires_at"])


def downgrade() -> None:
    op.drop_table("attempt_counters")
