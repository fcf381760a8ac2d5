"""The tables: videos, their tags, and who watched what how far."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    false,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import PrimaryKey, new_metadata

UNKNOWN_DURATION = literal_column("-1", Integer)
"""Sorts videos of unknown duration below the shortest. Part of an index, hence written out and no parameter."""


def folded(value: ColumnElement[str]) -> ColumnElement[str]:
    """`value` without differences of case and of Unicode form (NFKC), as the tags' folded columns have it."""
    # Lower-casing may undo the form (U+004A U+030C becomes what composes to U+01F0): hence twice.
    form: ColumnElement[str] = literal_column("NFKC")
    return func.normalize(func.lower(func.normalize(value, form)), form)


class Model(DeclarativeBase):
    """The tables of `videovault_db`."""

    metadata = new_metadata()
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own way to say it


class Video(Model):
    """A video file as it was recorded. Neither the path nor the file behind it is opened."""

    __tablename__ = "videos"

    id: Mapped[PrimaryKey]
    file_path: Mapped[str]
    file_name: Mapped[str]
    file_size: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    duration_seconds: Mapped[int | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=text("'{}'::jsonb"))
    hash: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("file_path"),
        CheckConstraint("file_path <> ''", name="file_path_not_empty"),
        CheckConstraint("file_name <> ''", name="file_name_not_empty"),
        CheckConstraint("file_size >= 0", name="file_size_not_negative"),
        CheckConstraint("duration_seconds >= 0", name="duration_seconds_not_negative"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_is_object"),
        # One index a sort: a page is a range of it, whichever way it is read.
        Index("ix_videos_created_at_id", "created_at", "id"),
        Index("ix_videos_file_name_id", "file_name", "id"),
        Index("ix_videos_file_size_id", "file_size", "id"),
        Index(
            "ix_videos_duration_seconds_id",
            func.coalesce(literal_column("duration_seconds"), UNKNOWN_DURATION),
            "id",
        ),
    )


class Tag(Model):
    """A word on a video, in a category. In one video and category there is one spelling of it."""

    __tablename__ = "tags"

    id: Mapped[PrimaryKey]
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    tag_name: Mapped[str]
    tag_category: Mapped[str]
    folded_name: Mapped[str] = mapped_column(Computed(folded(literal_column("tag_name")), persisted=True))
    folded_category: Mapped[str] = mapped_column(
        Computed(folded(literal_column("tag_category")), persisted=True)
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("video_id", "folded_category", "folded_name"),
        CheckConstraint("tag_name <> ''", name="tag_name_not_empty"),
        CheckConstraint("tag_category <> ''", name="tag_category_not_empty"),
        Index("ix_tags_folded_category_folded_name_video_id", "folded_category", "folded_name", "video_id"),
    )


class WatchHistory(Model):
    """How far somebody got in a video, one row a viewing. The users are Auth's, so `user_id` refers to no table here."""

    __tablename__ = "watch_history"

    id: Mapped[PrimaryKey]
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID]
    position_seconds: Mapped[int] = mapped_column(server_default=text("0"))
    completed: Mapped[bool] = mapped_column(server_default=false())
    watched_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("position_seconds >= 0", name="position_seconds_not_negative"),)
