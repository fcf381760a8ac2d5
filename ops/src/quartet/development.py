"""New migrations: written from the models, tried in a shadow database, and applied to the database of a developer."""

import asyncio
import contextlib
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbcommon.dsn import DatabaseUrl
from quartet.errors import MigrationFailed, Refused, WrongSettings
from quartet.provision.plan import AdminConnection, Plan
from quartet.remembered import package_folder
from quartet.schema import known_revisions, read_status, translate_errors
from quartet.shadow import shadow_database

Say = Callable[[str], None]
LONGEST_NAME = 32
"""What alembic's table holds of a revision's name."""


def create_migration(service: str, url: DatabaseUrl, *, name: str, writes_empty: bool = True) -> Path | None:
    """Write a migration that brings the service's tables to its models; None when they agree and not `writes_empty`.

    Raises WrongSettings (the name is taken or too long), Refused (the service is installed, not a checkout), or
    MigrationFailed.
    """
    package = package_folder(service)
    if package is None or (package / "migrations").is_dir():
        raise Refused(
            f"{service} is installed as a package: migrations are written in a checkout of the repository"
        )
    revision = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not revision or len(revision) > LONGEST_NAME:
        raise WrongSettings(
            f"name={name}: give a name of letters and digits, at most {LONGEST_NAME} with the underscores between words"
        )
    library = importlib.import_module("dbcommon.migrations")
    with translate_errors(service, url, MigrationFailed):
        if revision in known_revisions(service):
            raise WrongSettings(
                f"name={name}: {service} has a migration {revision} already: give another name"
            )
        file: Path | None = library.create_revision(service, url, message=revision, writes_empty=writes_empty)
        return file


def develop(
    service: str,
    url: DatabaseUrl,
    *,
    name: str,
    admin: AdminConnection,
    plan: Plan,
    say: Say,
    **options: Any,
) -> tuple[str, ...]:
    """Write a migration if models and migrations differ, apply, undo and apply all of them in a shadow database, then apply
    what is pending to the one of `url`, in one transaction. Gives the revisions that were applied there.

    `options` are those of `dbcommon.migrations.upgrade`. Raises MigrationFailed, and what `create_migration` raises; the
    migration's file is then gone, and the database as before.
    """
    file = create_migration(service, url, name=name, writes_empty=False)
    if file is None:
        say(f"{service}: models and migrations agree, no migration is written")
    with _removed_on_failure(file):
        asyncio.run(_try_in_shadow(service, admin=admin, plan=plan))
        library = importlib.import_module("dbcommon.migrations")
        with translate_errors(service, url, MigrationFailed):
            applied: tuple[str, ...] = library.upgrade(service, url, is_whole=True, say=say, **options)
    if file is not None:
        say(f"{service}: {file} written")
    return applied


@contextlib.contextmanager
def _removed_on_failure(file: Path | None) -> Any:
    try:
        yield
    except BaseException:
        if file is not None:
            file.unlink()
            for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
                compiled.unlink()
        raise


async def _try_in_shadow(service: str, *, admin: AdminConnection, plan: Plan) -> None:
    async with shadow_database(admin, plan, service=service) as url:
        await asyncio.to_thread(_go_up_down_up, service, url)


def _go_up_down_up(service: str, url: DatabaseUrl) -> None:
    library = importlib.import_module("dbcommon.migrations")
    steps: dict[str, Callable[[], object]] = {
        "applied": lambda: library.upgrade(service, url),
        "undone": lambda: library.downgrade(service, url, revision="base"),
        "applied a second time": lambda: library.upgrade(service, url),
    }
    for told, step in steps.items():
        try:
            step()
        except Exception as error:  # migrations are code: running them raises anything
            cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
            raise MigrationFailed(
                f"{service}: in a shadow database the migrations could not be {told} ({cause[0]}): no file was kept"
            ) from error
    (status,) = read_status({service: url}).values()
    if status.drift:
        raise MigrationFailed(
            f"{service}: applied, undone and applied again the migrations do not lead to the models"
            f" ({'; '.join(status.drift)}): no file was kept"
        )
