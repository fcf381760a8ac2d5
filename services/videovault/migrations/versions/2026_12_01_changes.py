"""The log of changes, tombstones, and what can be undone; titles, descriptions and missing files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from dbcommon.migrations import make_append_only

revision = "changes"
down_revision = "first_tables"
branch_labels = None
depends_on = None

EMPTY = sa.text("'{}'::jsonb")
NOW = sa.text("now()")
NEW_ID = sa.text("gen_random_uuid()")


def upgrade() -> None:
    """Apply."""
    for column in ("title", "description"):
        op.add_column("videos", sa.Column(column, sa.Text(), nullable=True))
    op.add_column("videos", sa.Column("missing_since", TIMESTAMP(timezone=True), nullable=True))
    op.add_column("videos", sa.Column("clocks", JSONB(), server_default=EMPTY, nullable=False))
    op.add_column("videos", sa.Column("last_at", sa.Text(), server_default="", nullable=False))
    op.add_column("tags", sa.Column("dots", JSONB(), server_default=EMPTY, nullable=False))
    _create_tables()
    make_append_only(["changes"])


def downgrade() -> None:
    """Undo."""
    for table in ("library", "removed_tags", "tombstones", "changes", "operations"):
        op.drop_table(table)
    op.drop_column("tags", "dots")
    for column in ("last_at", "clocks", "missing_since", "description", "title"):
        op.drop_column("videos", column)


def _create_tables() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("undone_at", TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column(
            "xid",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old", JSONB(), nullable=True),
        sa.Column("new", JSONB(), nullable=True),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), server_default="applied", nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("xid", "seq", name="pk_changes"),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name="fk_changes_operation_id_operations"
        ),
        sa.CheckConstraint("entity IN ('video', 'tag')", name=op.f("ck_changes_entity")),
        sa.CheckConstraint("status IN ('applied', 'superseded')", name=op.f("ck_changes_status")),
    )
    op.create_index("ix_changes_entity_id_seq", "changes", ["entity_id", "seq"])
    op.create_index(
        "ix_changes_operation_id",
        "changes",
        ["operation_id"],
        postgresql_where=sa.text("operation_id IS NOT NULL"),
    )
    op.create_table(
        "tombstones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("last_at", sa.Text(), nullable=False),
        *(sa.Column(column, JSONB(), nullable=False) for column in ("record", "tags", "history")),
        sa.PrimaryKeyConstraint("id", name="pk_tombstones"),
    )
    op.create_table(
        "removed_tags",
        sa.Column("video_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("video_id", "tag", "at", name="pk_removed_tags"),
    )
    op.create_table(
        "library",
        sa.Column("id", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("stream", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_library"),
        sa.CheckConstraint("id", name=op.f("ck_library_one_row")),
    )
    op.execute("INSERT INTO library DEFAULT VALUES")
