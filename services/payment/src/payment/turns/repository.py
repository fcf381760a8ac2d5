"""The statements on turns."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from payment.models import Turn, TurnName

_LAST_END = func.coalesce(Turn.finished_at, Turn.created_at)


async def claim(
    db: AsyncSession, name: TurnName, *, lease: timedelta, period: timedelta | None
) -> datetime | None:
    """When the run began that may go on for the length of the lease, by which it is known. None while another run goes on,
    or when the last one ended less than a `period` ago."""
    statement = update(Turn).where(Turn.name == name, Turn.lease_until <= func.clock_timestamp())
    if period is not None:
        statement = statement.where(func.clock_timestamp() - period >= _LAST_END)
    claimed = statement.values(began_at=func.clock_timestamp(), lease_until=func.clock_timestamp() + lease)
    return (await db.execute(claimed.returning(Turn.began_at))).scalar_one_or_none()


async def renew(db: AsyncSession, name: TurnName, began_at: datetime, *, lease: timedelta) -> bool:
    """Prolong a run; False when another one has begun."""
    statement = update(Turn).where(Turn.name == name, Turn.began_at == began_at)
    renewed = statement.values(lease_until=func.clock_timestamp() + lease).returning(Turn.name)
    return (await db.execute(renewed)).one_or_none() is not None


async def finish(db: AsyncSession, name: TurnName, began_at: datetime, *, result: Mapping[str, Any]) -> None:
    """A run has come to its end."""
    now = func.clock_timestamp()
    statement = update(Turn).where(Turn.name == name, Turn.began_at == began_at)
    await db.execute(statement.values(finished_at=now, lease_until=now, result=dict(result)))


async def find_turn(database: Database, name: TurnName) -> AnyRow:
    """`finished_at` and `result` of the last run that came to its end; `age_seconds` since then, or since there is the table."""
    age = func.extract("epoch", func.clock_timestamp() - _LAST_END).label("age_seconds")
    row = await database.fetch_one(select(Turn.finished_at, Turn.result, age).where(Turn.name == name))
    assert row is not None  # noqa: S101 - made by the migration
    return row
