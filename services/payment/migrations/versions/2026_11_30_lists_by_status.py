"""Indexes of the lists of payments, refunds and disputes by their status."""

from alembic import op

revision = "lists_by_status"
down_revision = "webhook_endpoints"
branch_labels = None
depends_on = None

TABLES = ("payments", "refunds", "disputes")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_status_created_at_id", table, ["status", "created_at", "id"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_status_created_at_id", table)
