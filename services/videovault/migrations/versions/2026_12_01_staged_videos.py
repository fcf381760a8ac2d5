"""Videos of a batch on their way into the library."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "staged_videos"
down_revision = "playback_sessions"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine] = {
    "run": sa.Uuid(),
    "number": sa.Integer(),
    "id": sa.Uuid(),
    "given": ARRAY(sa.Text()),
    "file_path": sa.Text(),
    "file_name": sa.Text(),
    "file_size": sa.BigInteger(),
    "mime_type": sa.Text(),
    "metadata": JSONB(),
    "words": ARRAY(sa.Text()),
    "search_text": sa.Text(),
    "search_starts": ARRAY(sa.Integer()),
    "name_key": sa.Text(),
    "random_key": sa.BigInteger(),
    "indexed_at": TIMESTAMP(timezone=True),
}
OPTIONAL: dict[str, sa.types.TypeEngine] = {
    "tags": JSONB(),
    "duration_seconds": sa.Integer(),
    "hash": sa.Text(),
    "title": sa.Text(),
    "description": sa.Text(),
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "staged_videos",
        *(sa.Column(name, kind, nullable=False) for name, kind in COLUMNS.items()),
        *(sa.Column(name, kind, nullable=True) for name, kind in OPTIONAL.items()),
        sa.Column("is_new", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("run", "number", name="pk_staged_videos"),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("staged_videos")
