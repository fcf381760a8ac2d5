"""Where a service keeps its users; each has its own table, with its own names for some columns."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True, kw_only=True)
class UserColumns:
    """The columns of a `users` table. `email` is unique there, and compares regardless of case.

    `is_local` is true for accounts that the service keeps itself: no token changes their rows.
    """

    id: InstrumentedAttribute[UUID]
    email: InstrumentedAttribute[str | None]
    username: InstrumentedAttribute[str | None]
    token_expires_at: InstrumentedAttribute[datetime | None]
    """When the token expires whose names the row has; an older token changes nothing."""
    username_is_unique: bool
    is_local: ColumnElement[bool] = field(default_factory=false)

    @property
    def model(self) -> Any:
        """The mapped class."""
        return self.id.class_
