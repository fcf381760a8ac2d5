"""The index of videos by the content of their files."""

import sqlalchemy as sa
from alembic import op

revision = "videos_by_identity"
down_revision = "scans"
branch_labels = None
depends_on = None

concurrently = True


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_videos_identity",
        "videos",
        ["identity"],
        postgresql_where=sa.text("identity IS NOT NULL"),
        postgresql_concurrently=True,
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_videos_identity", "videos", postgresql_concurrently=True)
