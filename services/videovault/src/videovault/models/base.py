"""The base of all tables."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import DateTime, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dbcommon.models import LOWEST_ID, PrimaryKey, new_metadata


class Model(DeclarativeBase):
    """Base of the tables of `videovault_db`."""

    metadata = new_metadata()
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads it from the class as it is


class RowColumns:
    """The columns of a table whose rows devices sync, field by field. Triggers write `clocks`, the hybrid time of each field
    that was ever given, and `last_at`, the latest of all."""

    id: Mapped[PrimaryKey]
    clocks: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    last_at: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def own_id(entity: str, user_id: UUID | None, *names: object) -> UUID:
    """The id of a row that is made of what names it (UUIDv5, RFC 9562, section 5.5): of two devices that make it apart it is
    the same. The name is the entity and the names, separated by slashes; its namespace is the user, or the nil UUID."""
    return uuid5(user_id or LOWEST_ID, "/".join([entity, *map(str, names)]))
