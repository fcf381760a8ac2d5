"""Migrations of the four databases: what is applied, what is pending, and applying it as the owner roles.

Importing Alembic takes longer than starting a stack that is up to date. So the reached revision is kept in a file with the
fingerprint of the migration files, and compared with the database by one plain query.
"""

import asyncio
import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from dbcommon.dsn import DatabaseUrl
from quartet.errors import Failure, MigrationFailed, NotFound, Refused, ServerFailed, WrongPassword
from quartet.remembered import fingerprint, package_folder, recall, remember

APPLICATION_NAME = "quartet-migrate"
CONNECT_SECONDS = 10
BACKUP_USER = "backup_user"
RESET_LOCK_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class SchemaStatus:
    """A database's revision, compared with this version of its service."""

    current: str | None
    head: str
    pending: tuple[str, ...]
    drift: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is pending and models and database agree."""
        return not self.pending and not self.drift

    def as_json(self) -> dict[str, Any]:
        """The four fields, for a program to read."""
        return asdict(self)


def migrate(
    urls: Mapping[str, DatabaseUrl],
    *,
    remembered: Path | None = None,
    lock_budget: float | None = None,
    observers: Mapping[str, DatabaseUrl] | None = None,
    losses: dict[str, dict[str, list[str]]] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, tuple[str, ...]]:
    """Apply what is pending in each service's database, reached by the `urls` of the owner roles. Gives the revisions that
    this call applied, without those that another call applied meanwhile. `say` is told what it waits for.

    `lock_budget`: for how many seconds a service's migrations are tried again while a session holds a lock that they need.
    `observers`: roles that see that session's statement. `losses` gets, by service and revision, what was dropped or deleted
    with rows in it. Raises MigrationFailed; services that were migrated before stay so.
    """
    before = asyncio.run(_read_revisions(urls))
    files = {service: _fingerprint(service) for service in urls}
    known = recall(remembered)
    stale = [service for service in urls if known.get(service) != [files[service], before[service]]]
    if not stale:
        return {}
    options: dict[str, Any] = {} if lock_budget is None else {"lock_budget": lock_budget}
    applied = {
        service: _upgrade(
            service,
            urls[service],
            current=before[service],
            observer=(observers or {}).get(service),
            losses=None if losses is None else losses.setdefault(service, {}),
            say=lambda line, service=service: say(f"{service}: {line}"),
            **options,
        )
        for service in stale
    }
    if remembered is not None:
        after = asyncio.run(_read_revisions(urls))
        remember(remembered, known | {service: [files[service], after[service]] for service in urls})
    return {service: revisions for service, revisions in applied.items() if revisions}


def rollback(
    service: str,
    url: DatabaseUrl,
    *,
    to: str | None = None,
    loses_data: bool = False,
    **options: Any,
) -> tuple[str, ...]:
    """Undo a service's last migration, or all that came after `to` ("base": all); gives those undone, the newest first.

    `options` are those of `dbcommon.migrations.downgrade`. Raises NotFound (nothing to undo), Refused (rows would be lost
    and `loses_data` was not said), MigrationFailed.
    """
    library = importlib.import_module("dbcommon.migrations")
    current = asyncio.run(_read_revision(service, url))
    if current is None:
        raise NotFound(f"{service}: no migration is applied to {url.database}: there is nothing to undo")
    with translate_errors(service, url, MigrationFailed):
        known = library.known_revisions(service)
        if current not in known:
            raise MigrationFailed(
                f"{service}: {url.database} is at {current}, which this version does not know: undo it with the version that does"
            )
        before = ("base", *known[: known.index(current)])
        if to is not None and to not in before:
            raise NotFound(f"{service}: {to} is no revision before {current}: {', '.join(before)}")
        undone: tuple[str, ...] = library.downgrade(
            service, url, revision=to or "-1", keeps_data=not loses_data, **options
        )
        return undone


def known_revisions(service: str) -> tuple[str, ...]:
    """All revisions that this version of a service knows, the oldest first."""
    revisions: tuple[str, ...] = importlib.import_module("dbcommon.migrations").known_revisions(service)
    return revisions


def read_status(urls: Mapping[str, DatabaseUrl]) -> dict[str, SchemaStatus]:
    """Compare each database with the revisions and models of this version. Changes nothing. Raises ServerFailed."""
    library = importlib.import_module("dbcommon.migration_status")
    found: dict[str, SchemaStatus] = {}
    for service, url in urls.items():
        with translate_errors(service, url, ServerFailed):
            status = library.read_status(service, url, metadata=service_metadata(service))
            found[service] = SchemaStatus(
                current=status.current, head=status.head, pending=status.pending, drift=status.drift
            )
    return found


def _upgrade(service: str, url: DatabaseUrl, *, current: str | None, **options: Any) -> tuple[str, ...]:
    library = importlib.import_module("dbcommon.migrations")
    with translate_errors(service, url, MigrationFailed):
        if not library.pending_revisions(service, current):
            return ()
        applied: tuple[str, ...] = library.upgrade(service, url, **options)
        return applied


@contextlib.contextmanager
def translate_errors(service: str, url: DatabaseUrl, failure: type[Failure]) -> Any:
    """Raise what a block raises about a service's migrations as a Failure of one line."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:  # migrations are code: loading and running them raises anything
        if isinstance(error, importlib.import_module("dbcommon.migrations").LocksHeld):
            raise MigrationFailed(_describe_blocker(service, url, blocker=error.blocker)) from error
        if isinstance(error, importlib.import_module("dbcommon.data_loss").WouldLoseData):
            raise Refused(
                f"{service}: this would lose {', '.join(error.lost)} of {url.database}: --lose-data does it"
            ) from error
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        told = cause[0] if cause else type(error).__name__
        if failure is ServerFailed:
            raise failure(
                f"{service}: the schema of {url.database} could not be read ({told}): is PostgreSQL running there?"
            ) from error
        raise failure(
            f"{service}: the schema of {url.database} could not be brought up to date ({told}):"
            f" `quartet db status {service}` shows where it stands"
        ) from error


def _describe_blocker(service: str, url: DatabaseUrl, *, blocker: Any) -> str:
    if blocker is None:
        return f"{service}: a table of {url.database} stayed locked by a session that could not be seen: try again"
    if blocker.role == BACKUP_USER:
        return (
            f"{service}: a running backup keeps a table of {url.database} locked: {blocker}: wait for its end"
        )
    return (
        f"{service}: a table of {url.database} stays locked by {blocker}:"
        f" wait for its end, or SELECT pg_terminate_backend({blocker.pid})"
    )


def service_metadata(service: str) -> Any:
    """The tables of a service as SQLAlchemy's `MetaData`. Imports its models, which takes half a second the first time."""
    # A service whose features have tables of their own collects them in a module `tables`.
    if importlib.util.find_spec(f"{service}.tables"):
        return importlib.import_module(f"{service}.tables").metadata
    return importlib.import_module(f"{service}.models").Model.metadata


async def reset_schema(service: str, url: DatabaseUrl) -> None:
    """Drop the schema of a service with all that is in it, and make it anew, as the owner role. Raises MigrationFailed."""
    connection = await _connect(service, url)
    schema = f'"{url.schema or "public"}"'
    try:
        await connection.execute(
            f"SET lock_timeout = '{RESET_LOCK_SECONDS}s'; DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}"
        )
    except asyncpg.PostgresError as error:
        raise MigrationFailed(
            f"{service}: {url.database} could not be reset ({error}): stop what uses it, and try again"
        ) from error
    finally:
        await connection.close()


async def _read_revisions(urls: Mapping[str, DatabaseUrl]) -> dict[str, str | None]:
    found = await asyncio.gather(*(_read_revision(service, url) for service, url in urls.items()))
    return dict(zip(urls, found, strict=True))


async def _connect(service: str, url: DatabaseUrl) -> "asyncpg.Connection[Any]":
    arguments = {"timeout": CONNECT_SECONDS, **url.connect_arguments(application_name=APPLICATION_NAME)}
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(**arguments)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise WrongPassword(
            f"{service}: {url.database} refuses {url.user}: `quartet provision` sets its password and rights anew"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(
            f"{service}: {url.database} cannot be reached ({str(error) or type(error).__name__}): is PostgreSQL running?"
        ) from error
    return connection


async def _read_revision(service: str, url: DatabaseUrl) -> str | None:
    connection = await _connect(service, url)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    return revision


def _fingerprint(service: str) -> list[list[str | int]]:
    """The fingerprint of a service's migrations: inside its package when installed, beside `src` in a checkout."""
    package = package_folder(service)
    if package is None:
        raise MigrationFailed(f"the service {service} is not installed here: install quartet-{service}")
    folders = (package / "migrations", package.parents[1] / "migrations")
    return fingerprint(sorted(file for folder in folders for file in folder.glob("**/*.py")))


def services_or_all(chosen: Iterable[str], known: Iterable[str]) -> list[str]:
    """The services that were named, in the usual order, or all of them."""
    wanted = set(chosen)
    return [service for service in known if not wanted or service in wanted]
