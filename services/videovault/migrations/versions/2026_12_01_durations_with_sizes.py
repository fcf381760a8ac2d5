"""The index of durations, with what long films are ordered by: their rows are not looked up."""

import sqlalchemy as sa
from alembic import op

revision = "durations_with_sizes"
down_revision = "vocabulary_plans"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_videos_duration_seconds_id_file_size",
        "videos",
        [sa.text("coalesce(duration_seconds, -1)"), "id"],
        # The planner reads an index alone only if it has the column itself, besides the expression.
        postgresql_include=["duration_seconds", "file_size"],
        postgresql_concurrently=True,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_videos_duration_seconds_id_file_size", "videos", postgresql_concurrently=True)
