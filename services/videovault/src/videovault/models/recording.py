"""Videos on their way into the library."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Text, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model


class StagedVideo(Model):
    """A video of a batch, during the transaction that records it: no other one ever sees it, and a crash may take it.

    `given` names the columns that the request has; `tags` are `[category, name]`, or null where it has none. `is_new`: no
    video has the path yet; else `id` is that video's.
    """

    __tablename__ = "staged_videos"

    run: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    given: Mapped[list[str]] = mapped_column(ARRAY(Text))
    tags: Mapped[list[list[str]] | None] = mapped_column(JSONB(none_as_null=True))
    file_path: Mapped[str]
    file_name: Mapped[str]
    file_size: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    duration_seconds: Mapped[int | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    hash: Mapped[str | None] = mapped_column(info={"secret": False})
    title: Mapped[str | None]
    description: Mapped[str | None]
    words: Mapped[list[str]] = mapped_column(ARRAY(Text))
    search_text: Mapped[str]
    search_starts: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    name_key: Mapped[str]
    random_key: Mapped[int] = mapped_column(BigInteger, info={"secret": False})
    indexed_at: Mapped[datetime]
    is_new: Mapped[bool] = mapped_column(server_default=true())

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
