"""A player's row is made when their token is first seen, and refreshed from later ones."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from l2p.users import repository
from l2p.users.naming import Claims, Settlement, settle
from webcommon.bearer import Caller

REMEMBERED = 50_000
"""Callers at most; the one seen first is forgotten first."""

TRUSTED_SECONDS = 60.0
"""After so long a row is looked at again: another process may have given its names away, or a backup been restored."""

_NAME_CONSTRAINTS = ("uq_users_email", "uq_users_username")


class FirstSight:
    """Stores callers, and remembers those whose row is as their token says, so that most requests ask nothing."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._remembered: dict[UUID, tuple[str | None, str | None, float]] = {}

    async def note(self, caller: Caller, *, database: Database) -> None:
        """See to it that the caller has a row with the names of this token, or of a newer one."""
        remembered = self._remembered.get(caller.id)
        if (
            remembered is not None
            and remembered[:2] == (caller.email, caller.username)
            and self._clock() < remembered[2]
        ):
            return
        await _store(database, _read_claims(caller))
        self._remember(caller)

    def _remember(self, caller: Caller) -> None:
        self._remembered.pop(caller.id, None)
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[caller.id] = (caller.email, caller.username, self._clock() + TRUSTED_SECONDS)


def _read_claims(caller: Caller) -> Claims:
    return Claims(
        id=caller.id,
        email=caller.email,
        username=caller.username,
        expires_at=datetime.fromtimestamp(caller.expires_at, tz=UTC),
    )


async def _store(database: Database, claims: Claims) -> None:
    settlement = settle(claims, await repository.find_concerned(database, claims))
    if settlement is None or await _store_quietly(database, claims, settlement):
        return
    async with database.transaction() as session:
        await repository.own_names(session)
        settlement = settle(claims, await repository.lock_concerned(session, claims))
        if settlement is not None:
            await repository.null_stale_names(session, settlement)
            await repository.store_names(session, claims, settlement)


async def _store_quietly(database: Database, claims: Claims, settlement: Settlement) -> bool:
    """Store a row that takes nothing from another. False when it would, or when somebody was faster."""
    if settlement.takes_names:
        return False
    try:
        async with database.transaction() as session:
            await repository.share_names(session)
            await repository.store_names(session, claims, settlement)
    except IntegrityError as error:
        if violated_constraint(error) not in _NAME_CONSTRAINTS:
            raise
        return False
    return True
