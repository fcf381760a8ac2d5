"""Proofs of what a file holds."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.jobs.queue import JobColumns
from videovault.models.base import Model


class Proof(JobColumns, Model):
    """The BLAKE3 hash of the whole file of a video, by the video's id, and the facts of the file when it was read.

    It is a job until then. `detail`: why the file was not read.
    """

    __tablename__ = "proofs"

    id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    hash: Mapped[bytes | None] = mapped_column(LargeBinary, info={"secret": False})
    file_size: Mapped[int | None] = mapped_column(BigInteger)
    mtime: Mapped[int | None] = mapped_column(BigInteger)
    inode: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str | None]

    __table_args__ = (
        Index("ix_proofs_pending", "due_at", postgresql_where=text("done_at IS NULL AND failed_at IS NULL")),
    )
