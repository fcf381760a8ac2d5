"""The index of missing videos, with their ids: their rows are not looked up to count their tags."""

import sqlalchemy as sa
from alembic import op

revision = "ids_of_missing_videos"
down_revision = "durations_with_sizes"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_videos_missing_since_id",
        "videos",
        ["missing_since", "id"],
        postgresql_where=sa.text("missing_since IS NOT NULL"),
        postgresql_concurrently=True,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_videos_missing_since_id", "videos", postgresql_concurrently=True)
