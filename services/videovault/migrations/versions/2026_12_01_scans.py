"""Roots, scans, and what scans see of a video's file."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "scans"
down_revision = "purge_changes"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
NEW_ID = sa.text("gen_random_uuid()")
FACTS = {
    "path_bytes": sa.LargeBinary,
    "mtime": sa.BigInteger,
    "inode": sa.BigInteger,
    "identity": sa.LargeBinary,
}
# A path that somebody else than a scan writes is what its text says.
FORGET_PATH_BYTES = """
CREATE FUNCTION forget_path_bytes() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.path_bytes := NULL;
    RETURN NEW;
END
$$
"""
FORGETTING = """
CREATE TRIGGER forget_path_bytes BEFORE UPDATE ON videos FOR EACH ROW
    WHEN (
        split_part(OLD.file_path, E'\\x01', 1) <> split_part(NEW.file_path, E'\\x01', 1)
        AND OLD.path_bytes = NEW.path_bytes
    )
    EXECUTE FUNCTION forget_path_bytes()
"""


def upgrade() -> None:
    """Apply."""
    for column, kind in FACTS.items():
        op.add_column("videos", sa.Column(column, kind(), nullable=True))
    op.execute(FORGET_PATH_BYTES)
    op.execute(FORGETTING)
    _create_scans()
    _create_roots()
    _create_staged_files()


def downgrade() -> None:
    """Undo."""
    for table in ("staged_files", "roots", "scans"):
        op.drop_table(table)
    op.execute("DROP TRIGGER forget_path_bytes ON videos")
    op.execute("DROP FUNCTION forget_path_bytes()")
    for column in reversed(FACTS):
        op.drop_column("videos", column)


def _create_scans() -> None:
    op.create_table(
        "scans",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("root_ids", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("is_full", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("result", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("runner", sa.Uuid(), nullable=True),
        sa.Column("lease_until", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.Column("ended_at", TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scans"),
        sa.CheckConstraint(
            "status IN ('running', 'done', 'root_unreachable', 'cancelled', 'failed')",
            name=op.f("ck_scans_status"),
        ),
        sa.CheckConstraint("(status = 'running') = (ended_at IS NULL)", name=op.f("ck_scans_ended")),
    )
    op.create_index(
        "ix_scans_running", "scans", ["lease_until"], postgresql_where=sa.text("status = 'running'")
    )


def _create_roots() -> None:
    op.create_table(
        "roots",
        sa.Column("id", sa.Uuid(), server_default=NEW_ID, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("path_bytes", sa.LargeBinary(), nullable=True),
        sa.Column("device", sa.BigInteger(), nullable=True),
        sa.Column("inode", sa.BigInteger(), nullable=True),
        sa.Column("scan_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", TIMESTAMP(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roots"),
        sa.UniqueConstraint("path", name="uq_roots_path"),
        sa.ForeignKeyConstraint(
            ["scan_id"], ["scans.id"], name="fk_roots_scan_id_scans", ondelete="SET NULL"
        ),
    )
    op.create_index("ix_roots_scan_id", "roots", ["scan_id"])


def _create_staged_files() -> None:
    op.create_table(
        "staged_files",
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("run", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("path_bytes", sa.LargeBinary(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("root_id", "file_path", name="pk_staged_files"),
        sa.ForeignKeyConstraint(
            ["root_id"], ["roots.id"], name="fk_staged_files_root_id_roots", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_staged_files_identity", "staged_files", ["identity"])
