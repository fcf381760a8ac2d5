"""Every statement on `attempt_counters`. Each is a transaction of its own, so that what it counted outlives a refusal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Interval, LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from dbcommon.engine import Database
from dbcommon.reads import PreparedText
from webcommon.accounts.throttling.limits import MEMORY, Limit

LEASE = timedelta(seconds=10)
"""An attempt that has not been settled for so long never will be: its process died. It goes on counting as a failure."""

# One statement decides and counts: the conflicting row is locked before WHERE and SET look at it, so that of any number
# of attempts at once, at however many processes, no more than the limit get a row back. clock_timestamp(), since now()
# stands still while the lock is waited for.
_RESERVE_SQL = text(
    """
    INSERT INTO attempt_counters AS known (key, moments, pending, rounds, blocked_until, expires_at)
    SELECT :key, ARRAY[at], 1, (blocks AND :count = 1)::int,
        CASE WHEN blocks AND :count = 1 THEN at + :span END,
        at + :span + CASE WHEN blocks AND :count = 1 THEN :memory ELSE interval '0' END
    FROM (SELECT clock_timestamp() AS at, CAST(:longest AS interval) IS NOT NULL AS blocks) AS attempt
    WHERE :count > 0
    ON CONFLICT (key) DO UPDATE SET (moments, pending, rounds, blocked_until, expires_at) = (
        SELECT fresh || at,
            CASE WHEN at - known.moments[cardinality(known.moments)] < :lease THEN known.pending + 1 ELSE 1 END,
            least(rounds + is_last::int, 30),
            CASE WHEN is_last THEN at + length END,
            CASE WHEN is_last THEN at + length + :memory
                WHEN rounds > 0 THEN greatest(known.expires_at, at + :span) ELSE at + :span END
        FROM (
            SELECT at, fresh, rounds,
                least(:span * (2 ^ rounds)::float8, :longest) AS length,
                CAST(:longest AS interval) IS NOT NULL AND cardinality(fresh) + 1 >= :count AS is_last
            FROM (
                SELECT clock_timestamp() AS at,
                    CASE WHEN known.expires_at > clock_timestamp() THEN known.rounds ELSE 0 END AS rounds,
                    ARRAY(
                        SELECT moment FROM unnest(known.moments) WITH ORDINALITY AS old (moment, place)
                        WHERE moment > clock_timestamp() - :span ORDER BY place
                    ) AS fresh
            ) AS pruned
        ) AS decided
    )
    WHERE (known.blocked_until IS NULL OR known.blocked_until <= clock_timestamp())
        AND (SELECT count(*) FROM unnest(known.moments) AS moment WHERE moment > clock_timestamp() - :span) < :count
    RETURNING moments[cardinality(moments)] AS moment
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
            CASE WHEN cardinality(moments) >= :count THEN moments[cardinality(moments) - :count + 1] + :span END
        ) - clock_timestamp())::float8 AS seconds,
        pending > 0 AND moments[cardinality(moments)] > clock_timestamp() - :lease AS is_under_way
    FROM attempt_counters WHERE key = :key
    """
).bindparams(
    bindparam("key", type_=LargeBinary()),
    bindparam("span", type_=Interval()),
    bindparam("lease", LEASE, type_=Interval()),
)

# In the order of their keys: two attempts may share both their counters.
_LOCK_OWN = """
    WITH own AS (
        SELECT counter.key, given.moment
        FROM unnest(CAST(:keys AS bytea[]), CAST(:moments AS timestamptz[])) AS given (key, moment)
        JOIN attempt_counters AS counter ON counter.key = given.key
        ORDER BY counter.key FOR UPDATE OF counter
    )
    UPDATE attempt_counters AS counter SET pending = greatest(counter.pending - 1, 0)
"""


def _with_reservations(statement: str) -> PreparedText:
    return PreparedText(
        text(statement).bindparams(
            bindparam("keys", type_=ARRAY(LargeBinary())),
            bindparam("moments", type_=ARRAY(TIMESTAMP(timezone=True))),
        )
    )


_KEEP = _with_reservations(f"{_LOCK_OWN} FROM own WHERE counter.key = own.key RETURNING 1")

# A block that this attempt brought about ends with it.
_GIVE_BACK = _with_reservations(
    f"""
    {_LOCK_OWN}, moments = array_remove(counter.moments, own.moment),
        rounds = greatest(counter.rounds - (counter.blocked_until IS NOT NULL)::int, 0),
        blocked_until = NULL
    FROM own WHERE counter.key = own.key AND own.moment = ANY (counter.moments) RETURNING 1
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


_RESERVE, _READ_WAIT = PreparedText(_RESERVE_SQL), PreparedText(_READ_WAIT_SQL)


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A place under a limit, taken before the attempt."""

    key: bytes
    moment: datetime


@dataclass(frozen=True, kw_only=True)
class Wait:
    """For how many seconds a counter refuses. While attempts are under way that may end sooner: they may succeed."""

    seconds: float
    is_under_way: bool


async def reserve(database: Database, key: bytes, *, limit: Limit) -> Reservation | None:
    """Take a place, or None when there is none."""
    parameters: dict[str, Any] = {
        "key": key,
        "count": limit.count,
        "span": limit.window,
        "longest": limit.longest_block,
    }
    row = await database.fetch_record(_RESERVE, **parameters)
    return None if row is None else Reservation(key=key, moment=row["moment"])


async def read_wait(database: Database, key: bytes, *, limit: Limit) -> Wait:
    """How long to wait for a place. None is free when this is asked, yet one may have come free meanwhile."""
    row = await database.fetch_record(_READ_WAIT, key=key, count=limit.count, span=limit.window)
    if row is None:
        return Wait(seconds=limit.window.total_seconds(), is_under_way=False)
    return Wait(seconds=row["seconds"] or 0.0, is_under_way=bool(row["is_under_way"]))


async def keep(database: Database, reservations: list[Reservation]) -> None:
    """The attempt failed: its places stay taken."""
    await _settle(database, _KEEP, reservations)


async def give_back(database: Database, reservations: list[Reservation]) -> None:
    """The attempt succeeded, or was never made: nothing was counted."""
    await _settle(database, _GIVE_BACK, reservations)


async def _settle(database: Database, statement: PreparedText, reservations: list[Reservation]) -> None:
    parameters: dict[str, Any] = {
        "keys": [reservation.key for reservation in reservations],
        "moments": [reservation.moment for reservation in reservations],
    }
    await database.fetch_records(statement, **parameters)


async def sweep(database: Database, *, batch: int) -> int:
    """Delete at most `batch` rows that say nothing any more; how many there were."""
    return len(await database.fetch_all(_SWEEP, {"batch": batch}))
