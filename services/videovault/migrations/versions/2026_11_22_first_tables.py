"""The first tables: videos, tags, watch_history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "first_tables"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

NEW_ID = sa.text("gen_random_uuid()")
NOW = sa.text("now()")


def upgrade() -> None:
    """Apply."""
    _create_videos()
    _create_tags()
    _create_watch_history()


def downgrade() -> None:
    """Undo."""
    op.drop_table("watch_history")
    op.drop_table("tags")
    op.drop_table("videos")


def _create_videos() -> None:
    op.create_table(
        "videos",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("metadata", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
        sa.UniqueConstraint("file_path", name="uq_videos_file_path"),
        sa.CheckConstraint("file_path <> ''", name=op.f("ck_videos_file_path_not_empty")),
        sa.CheckConstraint("file_name <> ''", name=op.f("ck_videos_file_name_not_empty")),
        sa.CheckConstraint("file_size >= 0", name=op.f("ck_videos_file_size_not_negative")),
        sa.CheckConstraint("duration_seconds >= 0", name=op.f("ck_videos_duration_seconds_not_negative")),
        sa.CheckConstraint("jsonb_typeof(metadata) = 'object'", name=op.f("ck_videos_metadata_is_object")),
    )
    op.create_index("ix_videos_created_at_id", "videos", ["created_at", "id"])
    op.create_index("ix_videos_file_name_id", "videos", ["file_name", "id"])
    op.create_index("ix_videos_file_size_id", "videos", ["file_size", "id"])
    op.create_index(
        "ix_videos_duration_seconds_id", "videos", [sa.text("coalesce(duration_seconds, -1)"), "id"]
    )


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False),
        sa.Column("tag_name", sa.Text(), nullable=False),
        sa.Column("tag_category", sa.Text(), nullable=False),
        sa.Column("folded_name", sa.Text(), _folded("tag_name"), nullable=False),
        sa.Column("folded_category", sa.Text(), _folded("tag_category"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_tags_video_id_videos", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "video_id", "folded_category", "folded_name", name="uq_tags_video_id_folded_category_folded_name"
        ),
        sa.CheckConstraint("tag_name <> ''", name=op.f("ck_tags_tag_name_not_empty")),
        sa.CheckConstraint("tag_category <> ''", name=op.f("ck_tags_tag_category_not_empty")),
    )
    op.create_index(
        "ix_tags_folded_category_folded_name_video_id", "tags", ["folded_category", "folded_name", "video_id"]
    )


def _folded(column: str) -> sa.Computed:
    return sa.Computed(f"normalize(lower(normalize({column}, NFKC)), NFKC)", persisted=True)


def _create_watch_history() -> None:
    op.create_table(
        "watch_history",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("video_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("position_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("watched_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_watch_history"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_watch_history_video_id_videos", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "position_seconds >= 0", name=op.f("ck_watch_history_position_seconds_not_negative")
        ),
    )
    op.create_index("ix_watch_history_video_id", "watch_history", ["video_id"])
