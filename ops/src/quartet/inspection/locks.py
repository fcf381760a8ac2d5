"""Who waits for whose lock, and the end of a session that others wait for."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import asyncpg

from quartet.errors import NotFound, Refused, ServerFailed
from quartet.inspection.server import InspectedServer, one_line

Ending = Literal["cancelled", "terminated", "gone"]

CANCEL_SECONDS = 3.0
"""A statement that was cancelled ends at once, unless it stands in a place that cannot be interrupted."""

TERMINATE_SECONDS = 10.0

BACKUP_PROGRAMS = frozenset({"pg_dump", "pg_dumpall", "pg_basebackup", "pg_receivewal", "quartet backup"})

_SESSIONS = """
    WITH waiting AS (
        SELECT pid, pg_catalog.pg_blocking_pids(pid) AS blocked_by FROM pg_catalog.pg_stat_activity
        WHERE wait_event_type = 'Lock'
    ), involved AS (
        SELECT pid FROM waiting UNION SELECT unnest(blocked_by) FROM waiting
    )
    SELECT a.pid, a.usename AS role, a.application_name AS application, a.datname AS database, a.state,
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
        extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_seconds,
        COALESCE(w.blocked_by, '{}') AS blocked_by, l.mode AS wanted, l.locktype AS kind, l.relation, a.query
    FROM involved JOIN pg_catalog.pg_stat_activity a USING (pid) LEFT JOIN waiting w USING (pid)
        LEFT JOIN LATERAL (
            SELECT mode, locktype, relation FROM pg_catalog.pg_locks WHERE pid = a.pid AND NOT granted LIMIT 1
        ) l ON true
    ORDER BY a.xact_start, a.pid
"""

_NAMES = "SELECT oid, relname FROM pg_catalog.pg_class WHERE oid = ANY($1::oid[])"

_SESSION = """
    SELECT a.pid, a.usename AS role, a.application_name AS application, a.backend_type, a.state, a.xact_start,
        a.backend_start, COALESCE(r.rolsuper, false) AS is_superuser
    FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.pid = $1
"""

_CANCEL = "SELECT pg_catalog.pg_cancel_backend($1)"

_TERMINATE = "SELECT pg_catalog.pg_terminate_backend($1)"


@dataclass(frozen=True, kw_only=True)
class LockedSession:
    """A session that waits, or that others wait for. `wanted` is the lock that it waits for, and on what."""

    pid: int
    role: str
    application: str
    database: str
    state: str
    transaction_seconds: float | None
    state_seconds: float | None
    blocked_by: tuple[int, ...]
    wanted: str | None
    statement: str


async def read_locks(server: InspectedServer) -> list[LockedSession]:
    """The sessions of every chain of waiting. Raises WrongPassword or ServerFailed."""
    async with server.connect() as connection:
        rows = await connection.fetch(_SESSIONS)
    names = await _read_names(server, rows)
    return [_as_session(row, names) for row in rows]


def order_as_tree(sessions: list[LockedSession]) -> Iterator[tuple[int, LockedSession]]:
    """Each session once, with its depth: those that wait for nobody first, each followed by those that wait for it.

    Sessions that wait for each other in a circle, which PostgreSQL resolves after `deadlock_timeout`, come last.
    """
    seen: set[int] = set()

    def descend(session: LockedSession, depth: int) -> Iterator[tuple[int, LockedSession]]:
        if session.pid in seen:
            return
        seen.add(session.pid)
        yield depth, session
        for other in sessions:
            if session.pid in other.blocked_by:
                yield from descend(other, depth + 1)

    present = {session.pid for session in sessions}
    roots = [session for session in sessions if not present & set(session.blocked_by)]
    for session in (*roots, *sessions):
        yield from descend(session, 0)


def locks_as_json(sessions: list[LockedSession]) -> list[dict[str, Any]]:
    """The tree as a list, root first, for a program to read."""
    return [{"depth": depth, **asdict(session)} for depth, session in order_as_tree(sessions)]


async def end_session(server: InspectedServer, pid: int, *, force: bool = False) -> Ending:
    """Cancel a session's statement, and terminate the session if that does not end its transaction.

    Raises NotFound, ServerFailed if it does not end, and without `force` Refused for a superuser's session, a backup's, and
    the server's own processes.
    """
    async with server.connect() as connection:
        session = await connection.fetchrow(_SESSION, pid)
        if session is None:
            raise NotFound(f"the server has no process {pid}: `quartet db locks` lists those that matter")
        if not force:
            _refuse_precious(server, session)
        # A session that waits for its client has no statement to cancel.
        if session["state"] == "active":
            await connection.fetchval(_CANCEL, pid)
            if await _is_over(connection, session, seconds=CANCEL_SECONDS):
                return "cancelled"
        await connection.fetchval(_TERMINATE, pid)
        if await _is_over(connection, session, seconds=TERMINATE_SECONDS):
            return "terminated"
    raise ServerFailed(
        f"process {pid} did not end within {TERMINATE_SECONDS:.0f} s: it ends when it can be interrupted; look again with"
        " `quartet db locks`"
    )


def _refuse_precious(server: InspectedServer, session: asyncpg.Record) -> None:
    pid, role = session["pid"], session["role"]
    if session["backend_type"] == "walsender" or role == server.plan.backup_user:
        what = "makes a backup"
    elif session["application"] in BACKUP_PROGRAMS:
        what = f"makes a backup ({session['application']})"
    elif session["is_superuser"]:
        what = f"is the superuser's ({role})"
    elif session["backend_type"] != "client backend":
        what = f"is the server's own ({session['backend_type']})"
    else:
        return
    raise Refused(f"process {pid} {what}: --force ends it all the same")


async def _is_over(
    connection: "asyncpg.Connection[asyncpg.Record]", before: asyncpg.Record, *, seconds: float
) -> bool:
    """Whether the session, or the transaction that it was in, ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = await connection.fetchrow(_SESSION, before["pid"])
        if now is None or now["backend_start"] != before["backend_start"]:
            return True
        if before["xact_start"] is not None and now["xact_start"] != before["xact_start"]:
            return True
        await asyncio.sleep(0.02)
    return False


async def _read_names(server: InspectedServer, rows: list[asyncpg.Record]) -> dict[tuple[str, int], str]:
    """The names of the relations that are waited for; numbers are unique within a database only."""
    names: dict[tuple[str, int], str] = {}
    for database in {row["database"] for row in rows if row["relation"] and row["database"]}:
        wanted = [row["relation"] for row in rows if row["relation"] and row["database"] == database]
        async with server.connect(database) as connection:
            for row in await connection.fetch(_NAMES, wanted):
                names[database, row["oid"]] = row["relname"]
    return names


def _as_session(row: asyncpg.Record, names: dict[tuple[str, int], str]) -> LockedSession:
    return LockedSession(
        pid=row["pid"],
        role=row["role"] or "",
        application=row["application"] or "",
        database=row["database"] or "",
        state=row["state"] or "",
        transaction_seconds=row["transaction_seconds"],
        state_seconds=row["state_seconds"],
        blocked_by=tuple(dict.fromkeys(row["blocked_by"])),  # a leader stands once for each parallel worker
        wanted=_spell_wanted(row, names),
        statement=one_line(row["query"]),
    )


def _spell_wanted(row: asyncpg.Record, names: dict[tuple[str, int], str]) -> str | None:
    if row["wanted"] is None:
        return None
    if row["kind"] in ("transactionid", "tuple"):
        place = names.get((row["database"], row["relation"] or 0))
        return f"a row of {place}" if place else "a row that another transaction changed"
    if row["kind"] == "advisory":
        return "an advisory lock"
    place = names.get((row["database"], row["relation"] or 0), row["kind"])
    return f"{row['wanted'].removesuffix('Lock')} on {place}"
