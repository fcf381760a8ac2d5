"""Work that one process at a time does, over all replicas."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import CheckConstraint, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dbcommon.models import one_of
from payment.models.base import Model

TurnName = Literal["reconciliation", "verification"]


class Turn(Model):
    """Work of which no second run begins before `lease_until`; a run is known by `began_at`.

    `finished_at` and `result`: of the last run that came to its end. A row for each name is there from the migration.
    """

    __tablename__ = "turns"
    __table_args__ = (CheckConstraint(one_of("name", TurnName), name="name"),)

    name: Mapped[TurnName] = mapped_column(Text(), primary_key=True)
    lease_until: Mapped[datetime] = mapped_column(server_default=func.now())
    began_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
