"""Rows of an import on their way, and a log of changes that begins anew when a library is replaced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "imports"
down_revision = "playlists"
branch_labels = None
depends_on = None

# Nobody else but its owner deletes rows of the log.
FORGET_CHANGES = """
CREATE FUNCTION forget_changes() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM changes;
    DELETE FROM operations;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "staged_rows",
        sa.Column("run", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("row", JSONB(), nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run", "number", name="pk_staged_rows"),
        prefixes=["UNLOGGED"],
    )
    op.execute(FORGET_CHANGES)


def downgrade() -> None:
    """Undo."""
    op.execute("DROP FUNCTION forget_changes()")
    op.drop_table("staged_rows")
