"""The operations that devices sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "sync_operations"
down_revision = "videos_by_identity"
branch_labels = None
depends_on = None

TABLE = "sync_operations"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        TABLE,
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("op_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="applied", nullable=False),
        sa.Column("op", sa.Text(), nullable=True),
        sa.Column("problem", JSONB(), nullable=True),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "op_id", name="pk_sync_operations"),
        sa.CheckConstraint(
            "status IN ('applied', 'superseded', 'refused')", name=op.f("ck_sync_operations_status")
        ),
        sa.CheckConstraint(
            "(problem IS NOT NULL) = (status = 'refused')", name=op.f("ck_sync_operations_problem")
        ),
    )
    op.create_index(
        "ix_sync_operations_refused",
        TABLE,
        ["user_id", "created_at", "op_id"],
        postgresql_where=sa.text("op IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table(TABLE)
