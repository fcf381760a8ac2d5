"""Stores callers as users. A process caches them, so that a known caller costs no statement."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.constraints import violated_constraint
from dbcommon.engine import Database
from webcommon.accounts.provisioning import repository
from webcommon.accounts.provisioning.columns import UserColumns
from webcommon.accounts.provisioning.conflicts import Claims, Resolution, StoredUser, resolve_conflicts
from webcommon.auth.bearer import Caller
from webcommon.batches import Batches

REMEMBERED = 50_000
"""The size of the cache; the oldest entry goes first."""

TRUSTED_SECONDS = 60.0
"""How long a cached caller is trusted. Another process may give the row's names away, or a backup be restored."""

_NAME_CONSTRAINTS = ("uq_users_email", "uq_users_username")
_USER_IS_GONE = re.compile("fk_.*_users")
"""Foreign keys are named by their table, column and target table."""

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    claims: Claims
    until: float

    def covers(self, claims: Claims) -> bool:
        """Whether these claims have the same names, or are older."""
        same = (self.claims.email, self.claims.username) == (claims.email, claims.username)
        return same or claims.expires_at < self.claims.expires_at


class UserProvisioner:
    """Stores a process's callers in the service's `users`. `clock` gives seconds."""

    def __init__(
        self, database: Database, users: UserColumns, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._users = users
        self._clock = clock
        self._known: dict[UUID, _Known] = {}
        # A class whose pupils all come at once would otherwise take every connection.
        self._new: Batches[None, tuple[Claims, Resolution], bool] = Batches(self._insert_new)

    async def ensure_user(self, caller: Caller) -> None:
        """Store the caller with the names of this token, unless the row has those of a newer one."""
        claims = _read_claims(caller)
        known = self._known.get(caller.id)
        if known is not None and known.covers(claims) and self._clock() < known.until:
            return
        await self._store(claims)
        self._remember(claims)

    async def run(self, caller: Caller, work: Callable[[], Awaitable[Result]]) -> Result:
        """The result of work that writes rows of a caller, in transactions of its own, after `ensure_user`.

        If the caller's row has vanished (the database was reset or restored meanwhile), it is stored again and the work
        repeated; so the failed work must have been rolled back.
        """
        try:
            return await work()
        except IntegrityError as error:
            if not _USER_IS_GONE.fullmatch(violated_constraint(error) or ""):
                raise
        self._forget(caller.id)
        await self.ensure_user(caller)
        return await work()

    async def write(self, caller: Caller, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """The result of work in one committed transaction; otherwise as `run`."""

        async def write_once() -> Result:
            async with self._database.transaction() as db:
                return await work(db)

        return await self.run(caller, write_once)

    def _forget(self, user_id: UUID) -> None:
        self._known.pop(user_id, None)

    def _remember(self, claims: Claims) -> None:
        self._forget(claims.id)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[claims.id] = _Known(claims=claims, until=self._clock() + TRUSTED_SECONDS)

    async def _store(self, claims: Claims) -> None:
        found = await repository.find_conflicts(self._database, self._users, claims)
        resolution = resolve_conflicts(claims, found)
        if resolution is None or await self._store_free_names(claims, resolution, found=found):
            return
        async with self._database.transaction() as db:
            await repository.own_names(db, self._users)
            found = await repository.lock_conflicts(db, self._users, claims)
            resolution = resolve_conflicts(claims, found)
            if resolution is None:
                return
            await repository.null_stale_names(db, self._users, resolution)
            await repository.store_names(db, self._users, claims, resolution)
        for loser in resolution.losers:
            self._forget(loser)

    async def _store_free_names(
        self, claims: Claims, resolution: Resolution, *, found: Sequence[StoredUser]
    ) -> bool:
        """Store a row that takes no name from another. False when it would, or when another transaction was faster."""
        if resolution.losers:
            return False
        if all(row.id != claims.id for row in found):
            return await self._new.submit(None, (claims, resolution))
        try:
            async with self._database.transaction() as db:
                await repository.store_names(db, self._users, claims, resolution)
        except IntegrityError as error:
            if violated_constraint(error) not in _NAME_CONSTRAINTS:
                raise
            return False
        return True

    async def _insert_new(self, _: None, rows: list[tuple[Claims, Resolution]]) -> list[bool]:
        first: dict[UUID, tuple[Claims, Resolution]] = {}
        for row in rows:
            first.setdefault(row[0].id, row)
        async with self._database.transaction() as db:
            stored = await repository.insert_new(db, self._users, list(first.values()))
        return [row is first[row[0].id] and row[0].id in stored for row in rows]


def _read_claims(caller: Caller) -> Claims:
    return Claims(
        id=caller.id,
        email=caller.email,
        username=caller.username,
        expires_at=datetime.fromtimestamp(caller.expires_at, tz=UTC),
    )
