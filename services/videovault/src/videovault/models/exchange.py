"""Rows of an import."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from videovault.models.base import Model


class StagedRow(Model):
    """A row of an import, until all have arrived. `number`: of its line."""

    __tablename__ = "staged_rows"

    run: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    row: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
