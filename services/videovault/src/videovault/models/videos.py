"""Videos and their tags."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey
from videovault.models.base import Model

UNKNOWN_DURATION = literal_column("-1", Integer)
"""Sorts videos of unknown duration below the shortest. A literal, since it is part of an index."""


def folded(value: ColumnElement[str]) -> ColumnElement[str]:
    """`value` in lower case and normalized (NFKC), as in the folded columns of `tags`."""
    # Normalized again, since lower case may leave the form: U+004A U+030C becomes U+006A U+030C, which composes to U+01F0.
    form: ColumnElement[str] = literal_column("NFKC")
    return func.normalize(func.lower(func.normalize(value, form)), form)


def true_path(path: ColumnElement[str]) -> ColumnElement[str]:
    """A path without the mark of a missing video whose place another one has taken."""
    return func.split_part(path, literal_column("E'\\x01'"), literal_column("1"), type_=Text)


class Video(Model):
    """A video's record.

    A path that ends with 0x01 and the id is that of a missing video whose place another one has taken.
    """

    __tablename__ = "videos"

    id: Mapped[PrimaryKey]
    file_path: Mapped[str]
    file_name: Mapped[str]
    file_size: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    duration_seconds: Mapped[int | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=text("'{}'::jsonb"))
    hash: Mapped[str | None] = mapped_column(info={"secret": False})
    title: Mapped[str | None]
    description: Mapped[str | None]
    missing_since: Mapped[datetime | None]
    # What the last scan saw; null if none did. The path's bytes only where they are not the text's.
    path_bytes: Mapped[bytes | None] = mapped_column(LargeBinary)
    mtime: Mapped[int | None] = mapped_column(BigInteger)
    inode: Mapped[int | None] = mapped_column(BigInteger)
    identity: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The identity of the content of which it was read what it holds, and `{code, detail}` if something is wrong with it.
    probed: Mapped[bytes | None] = mapped_column(LargeBinary)
    probe_error: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    # Hybrid times, which a trigger writes: of each field that changed, under "*" of all others; and the latest of these.
    clocks: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    last_at: Mapped[str] = mapped_column(server_default="")
    # By these a video is found and ordered (`query.words.index_columns`). A trigger takes `indexed_at` away when what they are
    # made of changes without them; they are made anew soon afterwards.
    words: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    search_text: Mapped[str | None]
    search_starts: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    name_key: Mapped[str | None] = mapped_column(Text(collation="C"))
    random_key: Mapped[int | None] = mapped_column(BigInteger, info={"secret": False})
    indexed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("file_path"),
        CheckConstraint("file_path <> ''", name="file_path_not_empty"),
        CheckConstraint("file_name <> ''", name="file_name_not_empty"),
        CheckConstraint("file_size >= 0", name="file_size_not_negative"),
        CheckConstraint("duration_seconds >= 0", name="duration_seconds_not_negative"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata_is_object"),
        # One index for each sort: a page is a range of it, in either direction.
        Index("ix_videos_created_at_id", "created_at", "id"),
        # Its migration gives the name the collation "C", which a comparison of indexes does not see.
        Index("ix_videos_file_name_id", "file_name", "id"),
        Index("ix_videos_file_size_id", "file_size", "id"),
        # Long films are large: ordered by size, they are gathered, and from this index alone.
        Index(
            "ix_videos_duration_seconds_id_file_size",
            func.coalesce(literal_column("duration_seconds"), UNKNOWN_DURATION),
            "id",
            postgresql_include=["duration_seconds", "file_size"],
        ),
        Index("ix_videos_name_key_id", func.coalesce(literal_column("name_key"), literal_column("''")), "id"),
        Index(
            "ix_videos_random_key_id", func.coalesce(literal_column("random_key"), literal_column("0")), "id"
        ),
        Index("ix_videos_mime_type", "mime_type"),
        Index("ix_videos_identity", "identity", postgresql_where=text("identity IS NOT NULL")),
        Index(
            "ix_videos_not_probed",
            "file_path",
            postgresql_where=text(
                "identity IS NOT NULL AND (probed IS DISTINCT FROM identity OR probe_error IS NOT NULL)"
            ),
        ),
        Index(
            "ix_videos_missing_since_id",
            "missing_since",
            "id",
            postgresql_where=text("missing_since IS NOT NULL"),
        ),
        Index(
            "ix_videos_words",
            func.array_to_tsvector(literal_column("words")),
            postgresql_using="gin",
            # What is pending would be searched row by row.
            postgresql_with={"fastupdate": "off"},
        ),
        Index("ix_videos_not_indexed", "id", postgresql_where=text("indexed_at IS NULL")),
    )


class VocabularyWord(Model):
    """A word of some video, now or once, for finding those one edit away. Triggers write it; a word may be there twice."""

    __tablename__ = "vocabulary"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    word: Mapped[str]
    # The word, and what it is without one of its letters.
    edits: Mapped[list[str]] = mapped_column(ARRAY(Text))

    __table_args__ = (
        Index("ix_vocabulary_word", "word"),
        Index("ix_vocabulary_edits", "edits", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
    )


class Tag(Model):
    """A tag of a video, in a category. A video has one spelling of each tag of a category."""

    __tablename__ = "tags"

    id: Mapped[PrimaryKey]
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    tag_name: Mapped[str]
    tag_category: Mapped[str]
    folded_name: Mapped[str] = mapped_column(Computed(folded(literal_column("tag_name")), persisted=True))
    folded_category: Mapped[str] = mapped_column(
        Computed(folded(literal_column("tag_category")), persisted=True)
    )
    # The adds that hold, `{hybrid time: [category, name]}`; a trigger writes them. The last one's spelling is the tag's.
    dots: Mapped[dict[str, list[str]]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("video_id", "folded_category", "folded_name"),
        CheckConstraint("tag_name <> ''", name="tag_name_not_empty"),
        CheckConstraint("tag_category <> ''", name="tag_category_not_empty"),
        Index("ix_tags_folded_category_folded_name_video_id", "folded_category", "folded_name", "video_id"),
    )
