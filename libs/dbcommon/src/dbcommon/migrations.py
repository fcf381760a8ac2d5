"""Migrations: the revisions that a service's version knows, the one its database is at, and the way between them.

A service's `env.py` is `run_migrations(metadata)`; the operator's command calls `upgrade`, `downgrade` and `create_revision`.
All of it runs as the owner role, the only one that may change the schema.
"""

import asyncio
import importlib.util
import time
import zlib
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command, context, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dbcommon.concurrent_index import run_concurrently_where_marked
from dbcommon.data_loss import keep_data, report_loss
from dbcommon.dsn import DatabaseUrl
from dbcommon.expected_schema import expected_schema
from dbcommon.lock_holder import HOLDER, TELLING_SECONDS, Blocker, HolderTeller, watch_blocker

LOCK_SECONDS = 0.5
"""How long a migration waits for a table's lock. The service's requests queue up behind it, so it then lets them pass."""

PAUSE_SECONDS = 1.0
"""The pause before a migration that was not granted a lock is tried again."""

LOCK_BUDGET_SECONDS = 60.0
"""How long migrations are tried again before the process that holds the lock is reported."""

TURN_KEY = zlib.crc32(b"quartet migrations")
"""The advisory lock of whoever migrates a database."""

TURN_SECONDS = 300
"""How long a migration waits for another process that migrates the same database."""


class LocksHeld(Exception):
    """A migration was not granted a lock within its budget. `blocker` held it last, as far as that could be seen."""

    def __init__(self, blocker: Blocker | None) -> None:
        super().__init__(f"a lock is held by {blocker or 'a session that could not be seen'}")
        self.blocker = blocker


def migrations_folder(service: str) -> Path:
    """The folder of a service's `env.py`: inside its package when installed, beside `src` in a checkout."""
    spec = importlib.util.find_spec(service)
    if spec is None or spec.origin is None:
        raise LookupError(f"the service {service!r} is not installed here")
    package = Path(spec.origin).parent
    candidates = (package / "migrations", package.parents[1] / "migrations")
    for folder in candidates:
        if (folder / "env.py").is_file():
            return folder
    raise LookupError(f"no migrations of {service!r} in {' or '.join(str(folder) for folder in candidates)}")


@cache
def known_revisions(service: str) -> tuple[str, ...]:
    """All revisions this version of the service knows, oldest first."""
    script = ScriptDirectory.from_config(alembic_config(service))
    return tuple(reversed([revision.revision for revision in script.walk_revisions()]))


def pending_revisions(service: str, current: str | None) -> tuple[str, ...]:
    """The revisions that a database at `current` still lacks; none for an unknown revision, which is newer than this
    version."""
    known = known_revisions(service)
    if current is None:
        return known
    return known[known.index(current) + 1 :] if current in known else ()


def upgrade(
    service: str,
    url: DatabaseUrl,
    *,
    revision: str = "head",
    lock_budget: float = LOCK_BUDGET_SECONDS,
    observer: DatabaseUrl | None = None,
    is_whole: bool = False,
    losses: dict[str, list[str]] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[str, ...]:
    """Apply the pending migrations, one transaction each, or one for all when `is_whole`; gives those that this call applied.
    Concurrent callers apply each migration once. A module with `concurrently = True` builds or drops one index outside of a transaction.

    A lock is waited for `LOCK_SECONDS`; then the migration is tried again, for `lock_budget` seconds. `observer` is a role
    that sees the statements of all sessions, to describe the one that holds the lock. `say` gets a line about the process
    that holds the lock of the migrations, once waiting takes `TELLING_SECONDS`. A database at an unknown revision is newer
    than this version and is left alone. `losses` gets what each revision dropped or deleted that held rows. Raises `LocksHeld`, and what the
    database raises.
    """
    config = alembic_config(service, url)
    config.attributes |= {
        "lock_budget": lock_budget,
        "observer": observer,
        "leave_newer_alone": True,
        "is_whole": is_whole,
        "losses": losses,
        "say": say,
    }
    command.upgrade(config, revision)
    before, after = (pending_revisions(service, config.attributes[name]) for name in ("before", "after"))
    return before[: len(before) - len(after)]


def downgrade(
    service: str,
    url: DatabaseUrl,
    *,
    revision: str = "-1",
    keeps_data: bool = False,
    lock_budget: float = LOCK_BUDGET_SECONDS,
    observer: DatabaseUrl | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> tuple[str, ...]:
    """Undo migrations down to `revision` ("base" for all), in one transaction; gives those undone, the newest first.

    With `keeps_data`, raises `WouldLoseData` and undoes none when a table or column of a table with rows would go, or rows.
    The rest as for `upgrade`.
    """
    config = alembic_config(service, url)
    config.attributes |= {
        "lock_budget": lock_budget,
        "observer": observer,
        "is_whole": True,
        "keeps_data": keeps_data,
        "say": say,
    }
    command.downgrade(config, revision)
    before, after = (pending_revisions(service, config.attributes[name]) for name in ("before", "after"))
    return tuple(reversed(after[: len(after) - len(before)]))


def create_revision(
    service: str, url: DatabaseUrl, *, message: str, writes_empty: bool = True
) -> Path | None:
    """Write a new migration with the differences between migrations and models, named as `message`. Gives the file; None when
    there are none and not `writes_empty`.

    The database of `url` is where the migrations are run to compare them, and afterwards as before.
    """
    config = alembic_config(service, url)
    config.attributes["creates"] = True
    script = command.revision(
        config,
        message=message,
        rev_id=message,
        autogenerate=True,
        process_revision_directives=None if writes_empty else _leave_out_empty,
    )
    known_revisions.cache_clear()
    return Path(script.path) if isinstance(script, Script) else None


def _leave_out_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    if directives[0].upgrade_ops.is_empty():
        directives.clear()


def run_migrations(metadata: MetaData) -> None:
    """The body of every service's `env.py`: run the alembic command on the database that the caller named."""
    url: DatabaseUrl = context.config.attributes["url"]
    asyncio.run(_run(url, metadata))


async def _run(url: DatabaseUrl, metadata: MetaData) -> None:
    engine = owner_engine(url)
    try:
        async with engine.connect() as connection:
            await _run_locked(connection, url, metadata)
    finally:
        await engine.dispose()


async def _run_locked(connection: AsyncConnection, url: DatabaseUrl, metadata: MetaData) -> None:
    # A session lock, taken before the current revision is read and held for the transactions of all migrations.
    attributes = context.config.attributes
    await connection.run_sync(_take_turn)
    await connection.run_sync(_limit_lock_waits, seconds=LOCK_SECONDS)
    await connection.commit()
    try:
        attributes["before"] = await connection.run_sync(_read_revision)
        await _apply_patiently(connection, attributes.get("observer") or url, metadata)
    finally:
        await connection.rollback()
        attributes["after"] = await connection.run_sync(_read_revision)
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": TURN_KEY})
        await connection.commit()


async def _apply_patiently(connection: AsyncConnection, observer: DatabaseUrl, metadata: MetaData) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + context.config.attributes.get("lock_budget", LOCK_BUDGET_SECONDS)
    pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await connection.commit()
    blockers: list[Blocker] = []
    while True:
        watch = asyncio.create_task(watch_blocker(lambda: _connect(observer), pid=pid, found=blockers.append))
        try:
            await connection.run_sync(_apply, metadata)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if clock() + PAUSE_SECONDS > deadline:
                raise LocksHeld(blockers[-1] if blockers else None) from error
        else:
            return
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        await connection.rollback()
        await asyncio.sleep(PAUSE_SECONDS)


def _apply(connection: Connection, metadata: MetaData) -> None:
    attributes = context.config.attributes
    if _is_newer(connection):
        return
    if attributes.get("creates"):
        with expected_schema(connection, context.script, revision="head") as options:
            context.configure(connection=connection, **compare_options(metadata), **options)
            context.run_migrations()
        return
    for revision in context.script.walk_revisions():
        run_concurrently_where_marked(revision.module)
        if attributes.get("keeps_data"):
            keep_data(revision.module)
        if attributes.get("losses") is not None:
            report_loss(revision.module, partial(attributes["losses"].__setitem__, revision.revision))
    context.configure(
        connection=connection,
        transaction_per_migration=not attributes.get("is_whole"),
        **compare_options(metadata),
    )
    with context.begin_transaction():
        context.run_migrations()
    _protect_version_table(connection)


def _take_turn(connection: Connection) -> None:
    """Take the lock of migrations, and report its holder while waiting. Raises `DBAPIError` after `TURN_SECONDS`."""
    say = context.config.attributes.get("say", lambda _line: None)
    teller = HolderTeller(lock="the lock of the migrations", say=say)
    deadline = time.monotonic() + TURN_SECONDS
    while True:
        _limit_lock_waits(connection, seconds=TELLING_SECONDS)
        connection.commit()
        try:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": TURN_KEY})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or time.monotonic() > deadline:
                raise
            connection.rollback()
            teller.tell(connection.exec_driver_sql(HOLDER, (TURN_KEY,)).one_or_none())
            connection.rollback()
        else:
            return


_LOCK_NOT_AVAILABLE = "55P03"


def _read_revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return revision


def _limit_lock_waits(connection: Connection, *, seconds: float) -> None:
    limit = f"{round(seconds * 1000)}ms"
    connection.execute(text("SELECT set_config('lock_timeout', :limit, false)"), {"limit": limit})


def _is_newer(connection: Connection) -> bool:
    # In a rollout the newer version's migrations come first, and an older replica may start after them.
    if not context.config.attributes.get("leave_newer_alone"):
        return False
    current = _read_revision(connection)
    known = {revision.revision for revision in context.script.walk_revisions()}
    return current is not None and current not in known


def _protect_version_table(connection: Connection) -> None:
    # The service reads its revision for /readyz; only the owner may record that a migration was applied.
    for role in _other_grantees(connection, "alembic_version"):
        connection.execute(text(f'REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM "{role}"'))
    connection.commit()


def make_append_only(tables: Iterable[str]) -> None:
    """In a migration: revoke UPDATE, DELETE and TRUNCATE on `tables`, and on their columns, from all but the owner."""
    connection = op.get_bind()
    for table in tables:
        for grantee in ("PUBLIC", *(f'"{role}"' for role in _other_grantees(connection, table))):
            # Revoking from a table does not revoke from its columns.
            connection.execute(text(f'REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM {grantee}'))


def _other_grantees(connection: Connection, table: str) -> list[str]:
    statement = text(
        "SELECT DISTINCT r.rolname FROM pg_class c"
        " LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attacl IS NOT NULL"
        " CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION SELECT * FROM aclexplode(t.attacl)) a"
        " JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.oid = to_regclass(quote_ident(:table)) AND r.rolname <> current_user"
    )
    return list(connection.execute(statement, {"table": table}).scalars())


def compare_options(metadata: MetaData) -> dict[str, Any]:
    """Alembic's options to compare a database with models."""

    def include_name(name: str | None, kind: str, _parents: Any) -> bool:
        # Otherwise autogenerate would drop what extensions and operators put beside our tables.
        return kind != "table" or name in metadata.tables

    return {
        "target_metadata": metadata,
        "include_name": include_name,
        "compare_type": True,
        "compare_server_default": True,
    }


def alembic_config(service: str, url: DatabaseUrl | None = None) -> Config:
    """Alembic's configuration for a service's migrations, and for its `env.py` the database."""
    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(migrations_folder(service)).replace("%", "%%"))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def owner_engine(url: DatabaseUrl) -> AsyncEngine:
    """An engine without a pool, for a command that migrates or compares."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: _connect(url),
        poolclass=pool.NullPool,
        hide_parameters=True,
    )


async def _connect(url: DatabaseUrl) -> "asyncpg.Connection[Any]":
    arguments = url.connect_arguments(application_name="quartet-migrate")
    connection: asyncpg.Connection[Any] = await asyncpg.connect(**{"timeout": 10, **arguments})
    return connection
