"""The state of a database: its revision, what is pending, and where it is not what its migrations make."""

import asyncio
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from dbcommon.catalogue import find_differences, read_catalogue
from dbcommon.dsn import DatabaseUrl
from dbcommon.expected_schema import expected_schema
from dbcommon.migrations import alembic_config, compare_options, owner_engine


@dataclass(frozen=True, kw_only=True)
class MigrationStatus:
    """The state of a database: `pending` are revisions not yet applied, `drift` the differences between the database and
    what its migrations make, and between migrations and models."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    drift: tuple[str, ...]


def read_status(service: str, url: DatabaseUrl, *, metadata: MetaData) -> MigrationStatus:
    """Compare a database with this version's revisions and models, as its owner role; changes nothing.

    Of a database newer than this version, and of two heads, `drift` says that alone."""
    return asyncio.run(_read_status(service, url, metadata))


async def _read_status(service: str, url: DatabaseUrl, metadata: MetaData) -> MigrationStatus:
    script = ScriptDirectory.from_config(alembic_config(service))
    engine = owner_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_compare, script, metadata)
    finally:
        await engine.dispose()


def _compare(connection: Connection, script: ScriptDirectory, metadata: MetaData) -> MigrationStatus:
    heads, current = script.get_heads(), MigrationContext.configure(connection).get_current_heads()
    connection.rollback()
    known = tuple(reversed([revision.revision for revision in script.walk_revisions()]))
    shown: dict[str, Any] = {"head": ", ".join(heads), "current": ", ".join(current) or None}
    if len(heads) > 1:
        return MigrationStatus(pending=(), drift=(f"the code has two heads: {shown['head']}",), **shown)
    if len(current) > 1:
        return MigrationStatus(
            pending=(), drift=(f"the database has two heads: {shown['current']}",), **shown
        )
    at = current[0] if current else None
    if at is not None and at not in known:
        newer = f"the database is newer than this version, which does not know the revision {at}"
        return MigrationStatus(pending=(), drift=(newer,), **shown)
    pending = known[known.index(at) + 1 :] if at else known
    return MigrationStatus(
        pending=pending, drift=_find_drift(connection, script, metadata, at=at, is_head=not pending), **shown
    )


def _find_drift(
    connection: Connection, script: ScriptDirectory, metadata: MetaData, *, at: str | None, is_head: bool
) -> tuple[str, ...]:
    actual = read_catalogue(connection)
    connection.rollback()
    with expected_schema(connection, script, revision=at) as options:
        drift = find_differences(expected=read_catalogue(connection), actual=actual)
        if not is_head:
            return drift
        migration = MigrationContext.configure(connection, opts=compare_options(metadata) | options)
        differences = compare_metadata(migration, metadata)
    return (*drift, *(f"the migrations differ from the models: {_describe(each)}" for each in differences))


def _describe(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_describe(part) for part in difference)
    return " ".join(str(part) for part in difference if part is not None)
