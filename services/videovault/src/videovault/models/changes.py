"""The log of changes, what was deleted, and the operations that can be undone."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import PrimaryKey, one_of
from videovault.models.base import Model

Entity = Literal[
    "video",
    "tag",
    "mine",
    "viewing",
    "saved_filter",
    "playlist",
    "playlist_item",
    "tag_alias",
    "tag_parent",
]
"""What a change is about. Triggers on the table of each write the log."""

ChangeStatus = Literal["applied", "superseded"]
"""Whether the value was taken, or lost against a later one."""


class Change(Model):
    """One change of one field. The triggers of the tables write it, so that a plain SQL statement is logged, too.

    `old` and `new` are null where there was no value, or none is left. Those of a tag are its adds that hold:
    `{at: [category, name]}`; `new` is empty instead of null where the tag was renamed.
    """

    __tablename__ = "changes"

    seq: Mapped[int] = mapped_column(BigInteger, Identity())
    # Order of pulls: no transaction with a lower number is still running below the snapshot's xmin.
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))
    at: Mapped[str]
    actor: Mapped[str]
    user_id: Mapped[UUID | None]
    entity: Mapped[Entity] = mapped_column(Text)
    entity_id: Mapped[UUID]
    field: Mapped[str]
    old: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    new: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operations.id"))
    status: Mapped[ChangeStatus] = mapped_column(Text, server_default="applied")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("xid", "seq"),
        CheckConstraint(one_of("entity", Entity), name="entity"),
        CheckConstraint(one_of("status", ChangeStatus), name="status"),
        Index("ix_changes_entity_id_seq", "entity_id", "seq"),
        Index(
            "ix_changes_operation_id",
            "operation_id",
            postgresql_where=text("operation_id IS NOT NULL"),
        ),
        Index("ix_changes_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        {"info": {"append_only": True}},
    )


class Operation(Model):
    """An act on one or many records that can be undone. `user_id`: of the one user whose own rows they are, who alone undoes
    it; null where they are of the library."""

    __tablename__ = "operations"

    id: Mapped[PrimaryKey]
    actor: Mapped[str]
    user_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_at: Mapped[datetime | None]


class Tombstone(Model):
    """A deleted video: its row and its tags, to put back. Kept for ever."""

    __tablename__ = "tombstones"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[str]
    last_at: Mapped[str]
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)
    tags: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class DeletedRow(Model):
    """A deleted row of an entity that is fields alone: its values and times, to put back. Kept for ever."""

    __tablename__ = "deleted_rows"

    entity: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    at: Mapped[str]
    last_at: Mapped[str]
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Owner(Model):
    """A user, or as the nil UUID the library, whose rows one transaction at a time writes: it locks this one first."""

    __tablename__ = "owners"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)


class RemovedTag(Model):
    """An add of a tag that was removed, so that it is not taken for a new one. `tag` is `category:name`, folded."""

    __tablename__ = "removed_tags"

    video_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(primary_key=True)


class Library(Model):
    """The one row of the library. `stream` names its log; a restored database gets another one."""

    __tablename__ = "library"

    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    stream: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))

    __table_args__ = (CheckConstraint("id", name="one_row"),)
