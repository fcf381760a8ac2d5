"""Migrations that build or drop an index without locking out the service.

Such a revision says `concurrently = True` and holds one CREATE or DROP INDEX CONCURRENTLY. It runs outside of a transaction, so
that a run that is cut off may leave the index behind: invalid, or valid and not yet recorded. Both are mended by another run.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from alembic import op
from sqlalchemy import Connection, event, text

CONCURRENT_SECONDS = 1800
"""How long one such statement may take. It waits for all transactions that are older than it, and blocks none."""

_STATEMENT = re.compile(
    r"\s*(?P<verb>CREATE(?: UNIQUE)?|DROP) INDEX CONCURRENTLY(?: IF (?:NOT )?EXISTS)?\s+(?P<index>(?:\"[^\"]+\"|[\w.])+)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MARK = "_runs_concurrently"


class NotOneIndex(Exception):
    """A revision marked `concurrently` holds anything but one CREATE or DROP INDEX CONCURRENTLY."""


def run_concurrently_where_marked(revision: ModuleType) -> None:
    """Let a revision's module that is marked `concurrently` run outside of a transaction, in both directions. Leaves other
    modules alone. Running it raises `NotOneIndex`."""
    if getattr(revision, "concurrently", False) and not hasattr(revision, _MARK):
        for name in ("upgrade", "downgrade"):
            setattr(revision, name, _outside_of_transaction(getattr(revision, name)))
        setattr(revision, _MARK, True)


def run_in_transaction_where_marked(revision: ModuleType) -> None:
    """Let a revision's module that is marked `concurrently` build its index in the transaction, as an empty table's may be."""
    if getattr(revision, "concurrently", False) and not hasattr(revision, _MARK):
        revision.upgrade = _in_transaction(revision.upgrade)  # type: ignore[attr-defined]
        setattr(revision, _MARK, True)


def _in_transaction(migrate: Callable[[], None]) -> Callable[[], None]:
    def strip(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return re.sub(r"INDEX CONCURRENTLY", "INDEX", statement, count=1, flags=re.IGNORECASE), parameters

    def run() -> None:
        connection = op.get_bind()
        event.listen(connection, "before_cursor_execute", strip, retval=True)
        try:
            migrate()
        finally:
            event.remove(connection, "before_cursor_execute", strip)

    return run


def _outside_of_transaction(migrate: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        migration = op.get_context()
        with migration.autocommit_block():
            connection = op.get_bind()
            with _limits(connection), _one_index(connection) as statements:
                migrate()
            if len(statements) != 1:
                raise NotOneIndex("a migration marked `concurrently` holds exactly one statement")

    return run


@contextmanager
def _limits(connection: Connection) -> Iterator[None]:
    before = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar_one()
    _set(connection, lock_timeout="0", statement_timeout=f"{CONCURRENT_SECONDS}s")
    try:
        yield
    finally:
        _set(connection, lock_timeout=before, statement_timeout="0")


def _set(connection: Connection, **settings: str) -> None:
    for name, value in settings.items():
        connection.execute(text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value})


@contextmanager
def _one_index(connection: Connection) -> Iterator[list[str]]:
    """Collect the statements, each made fit to be repeated after a run that was cut off. Raises `NotOneIndex` for another."""
    statements: list[str] = []

    def check(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        if connection.info.get(_MARK):
            return statement, parameters
        found = _STATEMENT.fullmatch(statement)
        if found is None:
            raise NotOneIndex(
                f"a migration marked `concurrently` holds one CREATE or DROP INDEX CONCURRENTLY, not: {statement}"
            )
        statements.append(statement)
        is_drop = found["verb"].upper() == "DROP"
        if not is_drop:
            _drop_invalid(connection, found["index"])
        condition = "IF EXISTS" if is_drop else "IF NOT EXISTS"
        return f"{found['verb']} INDEX CONCURRENTLY {condition} {found['index']}{found['rest']}", parameters

    event.listen(connection, "before_cursor_execute", check, retval=True)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", check)


def _drop_invalid(connection: Connection, index: str) -> None:
    # An index that another session still builds is invalid too; the lock of the migrations makes sure that there is none.
    invalid = text("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(:index) AND NOT indisvalid")
    connection.info[_MARK] = True  # these statements are not the revision's
    try:
        if connection.execute(invalid, {"index": index}).scalar_one():
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
    finally:
        del connection.info[_MARK]
