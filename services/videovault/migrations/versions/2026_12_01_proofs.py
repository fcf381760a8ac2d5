"""Proofs of what files hold."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "proofs"
down_revision = "tag_times"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("file_size", "mtime", "inode")),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", TIMESTAMP(timezone=True), nullable=True),
        sa.Column("failed_at", TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_proofs"),
        sa.ForeignKeyConstraint(["id"], ["videos.id"], name="fk_proofs_id_videos", ondelete="CASCADE"),
    )
    op.create_index(
        "ix_proofs_pending",
        "proofs",
        ["due_at"],
        postgresql_where=sa.text("done_at IS NULL AND failed_at IS NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("proofs")
