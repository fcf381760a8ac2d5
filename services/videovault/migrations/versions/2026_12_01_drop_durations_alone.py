"""The index of durations without sizes is not needed any more."""

import sqlalchemy as sa
from alembic import op

revision = "drop_durations_alone"
down_revision = "ids_of_missing_videos"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_videos_duration_seconds_id", "videos", postgresql_concurrently=True)


def downgrade() -> None:
    """Undo."""
    op.create_index(
        "ix_videos_duration_seconds_id",
        "videos",
        [sa.text("coalesce(duration_seconds, -1)"), "id"],
        postgresql_concurrently=True,
    )
