"""Of which content of a video's file it was read what it holds, and why that failed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "probes"
down_revision = "staged_videos"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("videos", sa.Column("probed", sa.LargeBinary(), nullable=True))
    op.add_column("videos", sa.Column("probe_error", JSONB(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("videos", "probe_error")
    op.drop_column("videos", "probed")
