"""How often a category and a name of a tag go together, which the planner would take for chance."""

from alembic import op

revision = "tag_statistics"
down_revision = "sync_operations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE STATISTICS tags_category_and_name (mcv) ON folded_category, folded_name FROM tags")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP STATISTICS tags_category_and_name")
