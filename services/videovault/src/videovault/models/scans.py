"""The folders whose files are videos, and the scans of them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_id, one_of
from videovault.models.base import Model

ScanStatus = Literal["running", "done", "root_unreachable", "cancelled", "failed"]
"""`root_unreachable`: done, but one of its roots is not there, or cannot be read."""


class Scan(Model):
    """A scan of some roots. The process with the token `runner` is at it until `lease_until`; then another one may take it."""

    __tablename__ = "scans"

    id: Mapped[PrimaryKey]
    root_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    is_full: Mapped[bool] = mapped_column(server_default=false())
    status: Mapped[ScanStatus] = mapped_column(Text, server_default="running")
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    runner: Mapped[UUID | None]
    lease_until: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("status", ScanStatus), name="status"),
        CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="ended"),
        Index("ix_scans_running", "lease_until", postgresql_where=text("status = 'running'")),
    )


class Root(Model):
    """A folder, by its real path. `scan_id`: the scan that is at it, of which there is one at a time.

    `path_bytes` where the path is not UTF-8. `device` and `inode`: of the folder when files were last found in it.
    """

    __tablename__ = "roots"

    id: Mapped[PrimaryKey]
    path: Mapped[str] = mapped_column(unique=True)
    path_bytes: Mapped[bytes | None] = mapped_column(LargeBinary)
    device: Mapped[int | None] = mapped_column(BigInteger)
    inode: Mapped[int | None] = mapped_column(BigInteger)
    scan_id: Mapped[UUID | None] = mapped_column(ForeignKey("scans.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StagedFile(Model):
    """A file that a scan found new or changed, with what it read of it, until a video has its place there.

    `id` is that of the video, if it becomes a new one. `run`: of a scan that was killed others are left, which save the next
    scan from reading the file again.
    """

    __tablename__ = "staged_files"

    root_id: Mapped[UUID] = mapped_column(ForeignKey("roots.id", ondelete="CASCADE"), primary_key=True)
    file_path: Mapped[str] = mapped_column(primary_key=True)
    run: Mapped[UUID]
    id: Mapped[UUID] = mapped_column(default=new_id)
    path_bytes: Mapped[bytes | None] = mapped_column(LargeBinary)
    file_name: Mapped[str]
    mime_type: Mapped[str]
    file_size: Mapped[int] = mapped_column(BigInteger)
    mtime: Mapped[int] = mapped_column(BigInteger)
    inode: Mapped[int] = mapped_column(BigInteger)
    identity: Mapped[bytes] = mapped_column(LargeBinary, index=True)
