"""Viewings: rows of the watch history that devices sync."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "viewings"
down_revision = "videos_by_probe"
branch_labels = None
depends_on = None

TABLE = "watch_history"
NOW = sa.text("now()")
FIELDS = ("video_id", "session_id", "position_seconds", "completed", "completed_before", "watched_at")
MADE_AT = "lpad(floor(extract(epoch FROM watched_at) * 1000)::bigint::text, 13, '0') || '-00000-server'"
# A position that goes on makes an old viewing the one that counts; that of a new content, which is nought, does not.
COUNT_VIEWING = """
CREATE FUNCTION count_viewing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.counted_at := now();
    RETURN NEW;
END
$$
"""
COUNTING = (
    "CREATE TRIGGER count_viewing BEFORE UPDATE OF position_seconds ON watch_history FOR EACH ROW"
    " WHEN (NEW.position_seconds <> OLD.position_seconds AND NEW.position_seconds > 0) EXECUTE FUNCTION count_viewing()"
)


def _bury(column: str) -> str:
    history = (
        ", (SELECT coalesce(jsonb_agg(to_jsonb(h)), '[]') FROM watch_history h WHERE h.video_id = OLD.id)"
        if column
        else ""
    )
    return f"""
CREATE OR REPLACE FUNCTION bury_video() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO tombstones (id, at, last_at, record, tags{column})
        VALUES (
            OLD.id,
            coalesce(nullif(current_setting('videovault.at', true), ''), next_time(OLD.last_at)),
            OLD.last_at,
            to_jsonb(OLD),
            (SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM tags t WHERE t.video_id = OLD.id){history}
        )
        ON CONFLICT (id) DO UPDATE
            SET at = excluded.at, last_at = excluded.last_at, record = excluded.record, tags = excluded.tags{
        ", history = excluded.history" if column else ""
    };
    RETURN OLD;
END
$$
"""  # noqa: S608 - text of this file


def _added() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column(
            "session_id", sa.Text(), server_default=sa.text("(gen_random_uuid())::text"), nullable=False
        ),
        sa.Column("is_named", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("completed_before", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("counted_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("seen_from", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("seen_until", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("clocks", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_at", sa.Text(), server_default="", nullable=False),
    )


def upgrade() -> None:
    """Apply."""
    # A video that was deleted may come back, and its viewings are there again.
    op.drop_constraint("fk_watch_history_video_id_videos", TABLE)
    for column in _added():
        op.add_column(TABLE, column)
    op.execute(
        "INSERT INTO watch_history (id, user_id, video_id, position_seconds, completed, watched_at)"
        " SELECT r.id, r.user_id, r.video_id, r.position_seconds, r.completed, r.watched_at"
        " FROM tombstones t CROSS JOIN LATERAL jsonb_populate_recordset(NULL::watch_history, t.history) r"
    )
    stamps = ", ".join(f"'{field}', {MADE_AT}" for field in FIELDS)
    op.execute(
        "UPDATE watch_history SET completed_before = completed, counted_at = watched_at, seen_from = watched_at,"  # noqa: S608
        f" seen_until = watched_at, created_at = watched_at, last_at = {MADE_AT}, clocks = jsonb_build_object({stamps})"
    )
    op.execute(
        "INSERT INTO changes (at, user_id, actor, entity, entity_id, field, new)"
        " SELECT last_at, user_id, 'sql', 'viewing', id, '*', field_values(to_jsonb(h)) FROM watch_history h"
    )
    op.execute(_bury(""))
    op.drop_column("tombstones", "history")
    op.create_unique_constraint(
        "uq_watch_history_user_id_video_id_session_id", TABLE, ["user_id", "video_id", "session_id"]
    )
    op.create_index("ix_watch_history_user_id_watched_at_id", TABLE, ["user_id", "watched_at", "id"])
    op.execute(COUNT_VIEWING)
    op.execute(COUNTING)
    fields = ", ".join(f"'{field}'" for field in FIELDS)
    op.execute(f"SELECT track_rows('{TABLE}', 'viewing', 'user_id', ARRAY[{fields}])")


def downgrade() -> None:
    """Undo."""
    for trigger in (
        "stamp_row",
        "bury_row",
        "log_new_rows",
        "log_changed_rows",
        "log_deleted_rows",
        "count_viewing",
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {TABLE}")
    op.execute("DROP FUNCTION count_viewing()")
    op.drop_index("ix_watch_history_user_id_watched_at_id", TABLE)
    op.drop_constraint("uq_watch_history_user_id_video_id_session_id", TABLE)
    for column in _added():
        op.drop_column(TABLE, column.name)
    op.add_column(
        "tombstones", sa.Column("history", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
    )
    op.alter_column("tombstones", "history", server_default=None)
    op.execute(
        "UPDATE tombstones t SET history = ("
        "SELECT coalesce(jsonb_agg(to_jsonb(h)), '[]') FROM watch_history h WHERE h.video_id = t.id)"
    )
    op.execute("DELETE FROM watch_history h WHERE NOT EXISTS (SELECT FROM videos v WHERE v.id = h.video_id)")
    op.execute(_bury(", history"))
    op.create_foreign_key(
        "fk_watch_history_video_id_videos", TABLE, "videos", ["video_id"], ["id"], ondelete="CASCADE"
    )
    op.execute("DELETE FROM deleted_rows WHERE entity = 'viewing'")
