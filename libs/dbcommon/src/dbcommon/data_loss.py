"""Whether undoing a migration loses rows, found by undoing it and comparing: before it is committed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

from alembic import op
from sqlalchemy import Connection, text

_MARK = "_keeps_data"

# By number and not by name, which a migration may change.
_COLUMNS = text(
    "SELECT c.oid, c.oid::regclass::text, a.attnum, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'"
    " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 2, 3"
)
# It counts on from earlier transactions of the session, so that only the difference tells.
_DELETED = text(
    "SELECT relname, n_tup_del FROM pg_stat_xact_user_tables WHERE n_tup_del > 0 AND relname <> 'alembic_version' ORDER BY 1"
)


@dataclass
class _Table:
    name: str
    columns: dict[int, str] = field(default_factory=dict)


class WouldLoseData(Exception):
    """Undoing a migration would drop or empty what holds rows; `lost` names it."""

    def __init__(self, lost: list[str]) -> None:
        super().__init__(f"it would lose data: {', '.join(lost)}")
        self.lost = lost


def keep_data(revision: ModuleType) -> None:
    """Let `downgrade` of a revision's module raise `WouldLoseData` when it dropped a table or column of a table with rows,
    or deleted rows; the caller's transaction is then to be rolled back."""
    if not hasattr(revision, _MARK):
        revision.downgrade = _watch_loss(revision.downgrade, _refuse)  # type: ignore[attr-defined]
        setattr(revision, _MARK, True)


def report_loss(revision: ModuleType, report: Callable[[list[str]], None]) -> None:
    """Let `upgrade` of a revision's module call `report` with what it dropped or deleted, when that held rows."""
    if not hasattr(revision, _MARK):
        revision.upgrade = _watch_loss(revision.upgrade, report)  # type: ignore[attr-defined]
        setattr(revision, _MARK, True)


def _refuse(lost: list[str]) -> None:
    raise WouldLoseData(lost)


def _watch_loss(migrate: Callable[[], None], report: Callable[[list[str]], None]) -> Callable[[], None]:
    def run() -> None:
        before = _read_tables(op.get_bind())
        filled = {oid for oid, table in before.items() if _has_rows(op.get_bind(), table.name)}
        deleted_before = _count_deleted(op.get_bind())
        migrate()
        after = _read_tables(op.get_bind())
        lost = [
            loss
            for oid, table in before.items()
            if oid in filled
            for loss in _find_losses(table, after.get(oid))
        ]
        lost += [
            f"rows of {name}"
            for name, deleted in _count_deleted(op.get_bind()).items()
            if deleted > deleted_before.get(name, 0)
        ]
        if lost:
            report(lost)

    return run


def _read_tables(connection: Connection) -> dict[int, _Table]:
    tables: dict[int, _Table] = {}
    for oid, table, number, column in connection.execute(_COLUMNS):
        tables.setdefault(oid, _Table(table)).columns[number] = column
    return tables


def _count_deleted(connection: Connection) -> dict[str, int]:
    return {row.relname: row.n_tup_del for row in connection.execute(_DELETED)}


def _find_losses(before: _Table, after: _Table | None) -> list[str]:
    if after is None:
        return [f"table {before.name}"]
    return [
        f"column {before.name}.{column}"
        for number, column in before.columns.items()
        if number not in after.columns
    ]


def _has_rows(connection: Connection, table: str) -> bool:
    has_rows: bool = connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM {table})").scalar_one()  # noqa: S608  quoted by regclass
    return has_rows
