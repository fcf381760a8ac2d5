"""The holder of an advisory lock that somebody waits for, as far as the waiter's role may see it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

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
