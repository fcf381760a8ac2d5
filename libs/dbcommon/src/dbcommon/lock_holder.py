"""The session that another one waits for: the holder of an advisory lock, or the blocker of a statement."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

TELLING_SECONDS = 2
"""A waiter reports the holder after so many seconds, and again when the holder changes."""

# A lock of 64 bits is shown as two halves (PostgreSQL, "pg_locks"). Of another role's session, a role without
# pg_read_all_stats sees only the first three columns, and a phrase instead of the statement ("pg_stat_activity").
HOLDER = """
    SELECT a.pid, a.usename, a.application_name, a.backend_start AT TIME ZONE 'UTC',
        CASE WHEN a.backend_start IS NOT NULL THEN left(a.query, 200) END
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = $1::bigint
    LIMIT 1
"""
"""The holder of the lock $1 in this database: the columns of `_Holder`."""


class _Holder(NamedTuple):
    pid: int
    role: str | None
    application: str | None
    connected_at: datetime | None
    statement: str | None


@dataclass(kw_only=True)
class HolderTeller:
    """Reports each holder of a lock once. `lock` is the lock's name in the sentence."""

    lock: str
    say: Callable[[str], None]
    _told: int | None = field(default=None, init=False)

    def tell(self, row: Iterable[Any] | None) -> None:
        """Report the row of `HOLDER`, unless it was the last one reported; None when the lock is free."""
        holder = _Holder(*row) if row is not None else None
        if holder is not None and holder.pid != self._told:
            self.say(_describe(holder, self.lock))
            self._told = holder.pid


def _describe(holder: _Holder, lock: str) -> str:
    since = f"; connected since {holder.connected_at:%H:%M:%S} UTC" if holder.connected_at else ""
    statement = f"; its statement: {' '.join(holder.statement.split())}" if holder.statement else ""
    return (
        f"waiting for process {holder.pid} of {holder.role or 'an unknown role'}"
        f" ({holder.application or 'no application name'}), which holds {lock}{since}{statement};"
        f" if it does not end by itself: SELECT pg_terminate_backend({holder.pid})"
    )


# A waiter in the queue blocks too; the chain is followed to a session that waits for nobody, ten waiters deep at most.
_BLOCKER = """
    WITH RECURSIVE chain (pid, depth) AS (
        SELECT unnest(pg_blocking_pids($1)), 1
        UNION SELECT unnest(pg_blocking_pids(pid)), depth + 1 FROM chain WHERE depth < 10
    )
    SELECT a.pid, a.usename, a.application_name,
        extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start))::float,
        CASE WHEN a.backend_start IS NOT NULL THEN left(a.query, 200) END
    FROM chain JOIN pg_stat_activity a USING (pid) ORDER BY depth DESC, a.xact_start LIMIT 1
"""

_FIRST_LOOK_SECONDS = 0.1
_LOOK_SECONDS = 0.1


class Blocker(NamedTuple):
    """A session that holds a lock. `seconds`: how long its transaction has run. The role without pg_read_all_stats sees
    neither that nor the statement of another role's session."""

    pid: int
    role: str | None
    application: str | None
    seconds: float | None
    statement: str | None

    def __str__(self) -> str:
        age = f", in a transaction for {self.seconds:.0f} s" if self.seconds is not None else ""
        statement = f"; its statement: {' '.join(self.statement.split())}" if self.statement else ""
        return (
            f"process {self.pid} of {self.role or 'an unknown role'}"
            f" ({self.application or 'no application name'}){age}{statement}"
        )


async def watch_blocker(
    connect: Callable[[], Awaitable["asyncpg.Connection[Any]"]],
    *,
    pid: int,
    found: Callable[[Blocker], None],
) -> None:
    """Call `found` whenever process `pid` waits for a lock of another session, until cancelled. An error of the database
    ends the watch: it is only for the message."""
    await asyncio.sleep(_FIRST_LOOK_SECONDS)  # most migrations end before, and need no second connection
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await connect()
        try:
            while True:
                row = await connection.fetchrow(_BLOCKER, pid)
                if row is not None:
                    found(Blocker(*row))
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            connection.terminate()
