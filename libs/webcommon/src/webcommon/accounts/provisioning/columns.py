"""The table and columns of a service's users."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True, kw_only=True)
class UserColumns:
    """The columns of a `users` table. `email` is unique and compares without case.

    `is_local` is true for accounts of the service itself: no token changes their rows.
    """

    id: InstrumentedAttribute[UUID]
    email: InstrumentedAttribute[str | None]
    username: InstrumentedAttribute[str | None]
    token_expires_at: InstrumentedAttribute[datetime | None]
    """The expiry of the token that the row's names come from; an older token changes nothing."""
    username_is_unique: bool
    is_local: ColumnElement[bool] = field(default_factory=false)

    @property
    def model(self) -> Any:
        """The mapped class."""
        return self.id.class_
