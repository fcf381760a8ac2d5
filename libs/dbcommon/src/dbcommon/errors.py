"""What can go wrong between a service and its database, and how to tell it from a mistake of ours.

DatabaseError
├── DatabaseUnavailable   it cannot be reached, or the connection broke in mid-statement
├── PoolExhausted         no connection came free in time
└── DatabaseBusy          it answered, but a time-out, a lock, a deadlock or a changed table ended the statement
"""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_GONE = ("08", "53", "57P", "25006", "25P03")
"""Prefixes of SQLSTATEs: connection exceptions, insufficient resources, operator intervention (manual, appendix A); a
write on a server that became a standby; a transaction that idled too long."""

_BUSY = ("57014", "55P03", "40001", "40P01")
"""Query cancelled by a time-out, lock not available, serialization failure, deadlock."""


CONNECTION_FAULTS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What the driver raises when connecting fails, or when a connection of ours breaks."""


class DatabaseError(Exception):
    """The request failed because of the database; it may succeed a little later."""

    retry_after: int = 1
    """Seconds to wait before a retry."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or the connection broke in mid-statement."""

    retry_after = 2


class PoolExhausted(DatabaseError):
    """No connection came free within the pool's waiting time."""


class DatabaseBusy(DatabaseError):
    """A time-out, a lock, a deadlock or a changed table ended the statement; nothing of it was kept."""


def translate(error: BaseException) -> DatabaseError | None:
    """The `DatabaseError` that corresponds to `error`; None for a mistake in the statement and for errors of another
    source."""
    if isinstance(error, DatabaseError):
        return error
    if isinstance(error, PoolTimeoutError):
        return PoolExhausted("no database connection came free in time")
    if is_plan_outdated(error):
        return DatabaseBusy("a table was changed under a prepared statement")
    if _is_loss(error):
        return DatabaseUnavailable("the connection to the database broke")
    if isinstance(error, DBAPIError):
        invalidated = (
            DatabaseUnavailable("the connection to the database broke")
            if error.connection_invalidated
            else None
        )
        return _translate_driver_error(error.orig) or invalidated
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return _translate_driver_error(error)
    return None


def is_plan_outdated(error: BaseException | None) -> bool:
    """Whether the server refused a prepared statement before running it, because its columns have changed."""
    if isinstance(error, DBAPIError):
        # SQLAlchemy's class for it keeps the driver's error as its cause, without the SQLSTATE.
        error = error.orig and error.orig.__cause__
    return isinstance(error, asyncpg.InvalidCachedStatementError)


def _is_loss(error: BaseException) -> bool:
    if isinstance(error, AttributeError):
        # The driver continues a statement of several steps on a connection that was lost between two of them.
        return error.obj is None and _raised_by_driver(error)
    # An internal client error: the driver cannot follow the protocol, as when the connection breaks between two steps.
    return isinstance(error, ConnectionError | asyncpg.InternalClientError)


def _raised_by_driver(error: BaseException) -> bool:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__")).partition(".")[0] == "asyncpg"


def _translate_driver_error(error: BaseException | None) -> DatabaseError | None:
    state: str = getattr(error, "sqlstate", None) or ""
    if state in _BUSY:
        return DatabaseBusy("the database ended the statement: it waited too long or met a deadlock")
    # A closed connection has no SQLSTATE; only the message tells.
    if (
        state.startswith(_GONE)
        or "connection is closed" in str(error)
        or "connection was closed" in str(error)
    ):
        return DatabaseUnavailable("the connection to the database broke")
    return None
