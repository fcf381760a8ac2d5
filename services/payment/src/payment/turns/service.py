"""Running work in turn."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dbcommon.engine import Database
from payment.models import TurnName
from payment.turns import repository

LEASE = timedelta(minutes=2)
"""A run that does not renew its lease for so long is over: its process has died."""


class TurnLost(Exception):
    """Another process has begun a run, since this one was silent for too long."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that goes on."""

    database: Database
    name: TurnName
    began_at: datetime

    async def renew(self) -> None:
        """Prolong it; call it more often than each `LEASE`. Raises `TurnLost`."""
        async with self.database.transaction() as db:
            if not await repository.renew(db, self.name, self.began_at, lease=LEASE):
                raise TurnLost


async def take_turn(
    database: Database,
    name: TurnName,
    work: Callable[[Run], Awaitable[Mapping[str, Any]]],
    *,
    period: timedelta | None,
) -> bool:
    """Do the work, and store its result; False, and nothing is done, while another run goes on, or when the last one ended
    less than a `period` ago. Work that fails is due again once its lease is over."""
    async with database.transaction() as db:
        began_at = await repository.claim(db, name, lease=LEASE, period=period)
    if began_at is None:
        return False
    result = await work(Run(database=database, name=name, began_at=began_at))
    async with database.transaction() as db:
        await repository.finish(db, name, began_at, result=result)
    return True
