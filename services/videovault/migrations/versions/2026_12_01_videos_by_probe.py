"""The index of videos that are to be probed, and of those of which that failed."""

import sqlalchemy as sa
from alembic import op

revision = "videos_by_probe"
down_revision = "probes"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_videos_not_probed",
        "videos",
        ["file_path"],
        postgresql_where=sa.text(
            "identity IS NOT NULL AND (probed IS DISTINCT FROM identity OR probe_error IS NOT NULL)"
        ),
        postgresql_concurrently=True,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_videos_not_probed", "videos", postgresql_concurrently=True)
