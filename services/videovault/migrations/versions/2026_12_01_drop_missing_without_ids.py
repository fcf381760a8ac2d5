"""The index of missing videos without their ids is not needed any more."""

import sqlalchemy as sa
from alembic import op

revision = "drop_missing_without_ids"
down_revision = "drop_durations_alone"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_videos_missing_since", "videos", postgresql_concurrently=True)


def downgrade() -> None:
    """Undo."""
    op.create_index(
        "ix_videos_missing_since",
        "videos",
        ["missing_since"],
        postgresql_where=sa.text("missing_since IS NOT NULL"),
        postgresql_concurrently=True,
    )
