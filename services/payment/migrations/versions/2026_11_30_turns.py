"""Work that one process at a time does, over all replicas, and what its last run found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "turns"
down_revision = "legal_moves"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lease_until", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("began_at", TIMESTAMP(timezone=True)),
        sa.Column("finished_at", TIMESTAMP(timezone=True)),
        sa.Column("result", JSONB()),
        sa.Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("name", name="pk_turns"),
        sa.CheckConstraint("name IN ('reconciliation', 'verification')", name=op.f("ck_turns_name")),
    )
    op.execute("INSERT INTO turns (name) VALUES ('reconciliation'), ('verification')")


def downgrade() -> None:
    op.drop_table("turns")
