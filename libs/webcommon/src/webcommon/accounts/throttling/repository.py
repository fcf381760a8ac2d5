"""Every statement on `attempt_counters`. Each is a transaction of its own, so that a count outlives a refusal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Interval, LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from dbcommon.driver_statements import DriverText
from dbcommon.engine import Database
from webcommon.accounts.throttling.limits import MEMORY, Limit

LEASE = timedelta(seconds=10)
"""An attempt that is not settled within this time never will be: its process died. It counts as a failure."""

# One statement decides and counts: PostgreSQL locks the conflicting row before it evaluates WHERE and SET, so that of any
# number of simultaneous attempts, in however many processes, at most `count` get a row back. clock_timestamp(), because
# now() stands still while the statement waits for the lock.
_RESERVE_SQL = text(
    """
    INSERT INTO attempt_counters AS stored
        (key, attempted_at, in_flight, consecutive_blocks, blocked_until, expires_at)
    SELECT :key, ARRAY[at], 1, (blocks AND :count = 1)::int,
        CASE WHEN blocks AND :count = 1 THEN at + :span END,
        at + :span + CASE WHEN blocks AND :count = 1 THEN :memory ELSE interval '0' END
    FROM (SELECT clock_timestamp() AS at, CAST(:longest AS interval) IS NOT NULL AS blocks) AS attempt
    WHERE :count > 0
    ON CONFLICT (key) DO UPDATE
    SET (attempted_at, in_flight, consecutive_blocks, blocked_until, expires_at) = (
        SELECT recent || at,
            CASE WHEN at - stored.attempted_at[cardinality(stored.attempted_at)] < :lease
                THEN stored.in_flight + 1 ELSE 1 END,
            least(blocks + is_last::int, 30),
            CASE WHEN is_last THEN at + length END,
            CASE WHEN is_last THEN at + length + :memory
                WHEN blocks > 0 THEN greatest(stored.expires_at, at + :span) ELSE at + :span END
        FROM (
            SELECT at, recent, blocks,
                least(:span * (2 ^ blocks)::float8, :longest) AS length,
                CAST(:longest AS interval) IS NOT NULL AND cardinality(recent) + 1 >= :count AS is_last
            FROM (
                SELECT clock_timestamp() AS at,
                    CASE WHEN stored.expires_at > clock_timestamp() THEN stored.consecutive_blocks ELSE 0 END AS blocks,
                    ARRAY(
                        SELECT each FROM unnest(stored.attempted_at) WITH ORDINALITY AS earlier (each, position)
                        WHERE each > clock_timestamp() - :span ORDER BY position
                    ) AS recent
            ) AS pruned
        ) AS decided
    )
    WHERE (stored.blocked_until IS NULL OR stored.blocked_until <= clock_timestamp())
        AND (SELECT count(*) FROM unnest(stored.attempted_at) AS each WHERE each > clock_timestamp() - :span) < :count
    RETURNING attempted_at[cardinality(attempted_at)] AS reserved_at
    """
).bindparams(
    bindparam("key", type_=LargeBinary()),
    *(bindparam(name, type_=Interval()) for name in ("span", "longest")),
    bindparam("memory", MEMORY, type_=Interval()),
    bindparam("lease", LEASE, type_=Interval()),
)

_READ_WAIT_SQL = text(
    """
    SELECT extract(epoch FROM greatest(
            blocked_until,
            CASE WHEN cardinality(attempted_at) >= :count
                THEN attempted_at[cardinality(attempted_at) - :count + 1] + :span END
        ) - clock_timestamp())::float8 AS seconds,
        in_flight > 0 AND attempted_at[cardinality(attempted_at)] > clock_timestamp() - :lease AS has_in_flight
    FROM attempt_counters WHERE key = :key
    """
).bindparams(
    bindparam("key", type_=LargeBinary()),
    bindparam("span", type_=Interval()),
    bindparam("lease", LEASE, type_=Interval()),
)

# Locked in the order of their keys: two attempts may share both their counters.
_LOCK_OWN = """
    WITH own AS (
        SELECT counter.key, reservation.at
        FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS reservation (key, at)
        JOIN attempt_counters AS counter ON counter.key = reservation.key
        ORDER BY counter.key FOR UPDATE OF counter
    )
    UPDATE attempt_counters AS counter SET in_flight = greatest(counter.in_flight - 1, 0)
"""


def _with_reservations(statement: str) -> DriverText:
    return DriverText(
        text(statement).bindparams(
            bindparam("keys", type_=ARRAY(LargeBinary())),
            bindparam("times", type_=ARRAY(TIMESTAMP(timezone=True))),
        )
    )


_KEEP = _with_reservations(f"{_LOCK_OWN} FROM own WHERE counter.key = own.key RETURNING 1")

# Also ends a block that this attempt started.
_RELEASE = _with_reservations(
    f"""
    {_LOCK_OWN}, attempted_at = array_remove(counter.attempted_at, own.at),
        consecutive_blocks = greatest(counter.consecutive_blocks - (counter.blocked_until IS NOT NULL)::int, 0),
        blocked_until = NULL
    FROM own WHERE counter.key = own.key AND own.at = ANY (counter.attempted_at) RETURNING 1
    """
)

_SWEEP = text(
    """
    DELETE FROM attempt_counters WHERE key IN (
        SELECT key FROM attempt_counters WHERE expires_at <= now()
        ORDER BY expires_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ) RETURNING 1
    """
)


_RESERVE, _READ_WAIT = DriverText(_RESERVE_SQL), DriverText(_READ_WAIT_SQL)


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A slot of a counter, reserved before the attempt."""

    key: bytes
    reserved_at: datetime


@dataclass(frozen=True, kw_only=True)
class Wait:
    """For how many seconds a counter refuses. With attempts in flight a slot may come free sooner: they may succeed."""

    seconds: float
    has_in_flight: bool


async def reserve(database: Database, key: bytes, *, limit: Limit) -> Reservation | None:
    """Reserve a slot; None when none is free."""
    parameters: dict[str, Any] = {
        "key": key,
        "count": limit.count,
        "span": limit.window,
        "longest": limit.longest_block,
    }
    row = await database.fetch_record(_RESERVE, **parameters)
    return None if row is None else Reservation(key=key, reserved_at=row["reserved_at"])


async def read_wait(database: Database, key: bytes, *, limit: Limit) -> Wait:
    """How long to wait for a slot, asked after `reserve` found none. One may have come free since."""
    row = await database.fetch_record(_READ_WAIT, key=key, count=limit.count, span=limit.window)
    if row is None:
        return Wait(seconds=limit.window.total_seconds(), has_in_flight=False)
    return Wait(seconds=row["seconds"] or 0.0, has_in_flight=bool(row["has_in_flight"]))


async def keep(database: Database, reservations: list[Reservation]) -> None:
    """Count the attempt as failed: its slots stay taken."""
    await _settle(database, _KEEP, reservations)


async def release(database: Database, reservations: list[Reservation]) -> None:
    """Free the slots of an attempt that succeeded or was never made."""
    await _settle(database, _RELEASE, reservations)


async def _settle(database: Database, statement: DriverText, reservations: list[Reservation]) -> None:
    parameters: dict[str, Any] = {
        "keys": [reservation.key for reservation in reservations],
        "times": [reservation.reserved_at for reservation in reservations],
    }
    await database.fetch_records(statement, **parameters)


async def sweep(database: Database, *, batch: int) -> int:
    """Delete at most `batch` expired counters; gives how many."""
    return len(await database.fetch_all(_SWEEP, {"batch": batch}))
