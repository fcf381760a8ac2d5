"""The operations that devices sent."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import one_of
from videovault.models.base import Model

OperationStatus = Literal["applied", "superseded", "refused"]
"""What became of an operation: taken, lost against what is later, or not allowed."""


class SyncOperation(Model):
    """An operation of a user's device, so that it is done once. A refused one is kept whole until its user dismisses it."""

    __tablename__ = "sync_operations"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    op_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    status: Mapped[OperationStatus] = mapped_column(Text(), server_default="applied")
    # Text, since jsonb holds no NUL, for which an operation may have been refused.
    op: Mapped[str | None]
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(one_of("status", OperationStatus), name="status"),
        CheckConstraint("(problem IS NOT NULL) = (status = 'refused')", name="problem"),
        Index(
            "ix_sync_operations_refused",
            "user_id",
            "created_at",
            "op_id",
            postgresql_where=text("op IS NOT NULL"),
        ),
    )
