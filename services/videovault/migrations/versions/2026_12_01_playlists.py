"""Saved filters, playlists and their items."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "playlists"
down_revision = "drop_missing_without_ids"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _create_table("saved_filters", sa.Column("name", sa.Text()), sa.Column("query", JSONB()))
    _create_table("playlists", sa.Column("name", sa.Text()))
    _create_table(
        "playlist_items",
        sa.Column("playlist_id", sa.Uuid()),
        sa.Column("video_id", sa.Uuid()),
        sa.Column("position", sa.Text(collation="C")),
    )
    for table in ("saved_filters", "playlists"):
        op.create_index(f"ix_{table}_user_id_created_at_id", table, ["user_id", "created_at", "id"])
    op.create_index(
        "ix_playlist_items_playlist_id_position_id", "playlist_items", ["playlist_id", "position", "id"]
    )
    op.create_index("ix_playlist_items_user_id", "playlist_items", ["user_id"])
    op.execute("SELECT track_rows('saved_filters', 'saved_filter', 'user_id', ARRAY['name', 'query'])")
    op.execute("SELECT track_rows('playlists', 'playlist', 'user_id', ARRAY['name'])")
    op.execute(
        "SELECT track_rows('playlist_items', 'playlist_item', 'user_id', ARRAY['playlist_id', 'video_id', 'position'])"
    )


def downgrade() -> None:
    """Undo."""
    for table in ("playlist_items", "playlists", "saved_filters"):
        op.drop_table(table)


def _create_table(name: str, *fields: "sa.Column[object]") -> None:
    for field in fields:
        field.nullable = False
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        *fields,
        sa.Column("clocks", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_at", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
