"""What each service does to a restored database before it is used: its module `after_restore`, where it has one."""

import importlib
import importlib.util
from typing import Any

import asyncpg

from dbcommon.migrations import pending_revisions
from quartet.errors import BackupFailed
from quartet.provision.plan import AdminConnection
from quartet.provision.session import identifier, open_session


async def run_hook(
    service: str, admin: AdminConnection, database: str, *, schema: str, previous: str | None = None
) -> list[str]:
    """Run a service's hook in one transaction of the restored database; what it did, in sentences.

    `previous` names the database of before, from which the hook only reads. Raises BackupFailed when the hook fails, as it
    does when the schema is too old for it: then it has changed nothing, and can be run again.
    """
    name = f"{service}.after_restore"
    if importlib.util.find_spec(name) is None:
        return [f"no {name}: what is in the database was left as it was then"]
    async with open_session(admin, database=database) as restored:
        await restored.connection.execute(f"SET search_path TO {identifier(schema)}")
        try:
            hook = importlib.import_module(name).after_restore
            async with restored.connection.transaction():
                if previous is None:
                    return await _told(hook, restored.connection, None)
                async with open_session(admin, database=previous) as before:
                    await before.connection.execute("SET default_transaction_read_only TO on")
                    await before.connection.execute(f"SET search_path TO {identifier(schema)}")
                    return await _told(hook, restored.connection, before.connection)
        except Exception as error:
            pending = await read_pending(service, admin, database, schema=schema)
            reason = (
                f"; its schema lacks {', '.join(pending)}: restore with the release of that time"
                if pending
                else ""
            )
            swap = " --swap" if previous else ""
            again = f": mend that, then `quartet restore --service {service} --finish {database}{swap}`"
            raise BackupFailed(
                f"{database} was restored and is kept, but {service} could not make it safe to use ({error}){reason or again}"
            ) from error


async def read_pending(
    service: str, admin: AdminConnection, database: str, *, schema: str
) -> tuple[str, ...]:
    """The migrations that a restored database lacks, since it is older than the code."""
    table = f"{identifier(schema)}.alembic_version"
    async with open_session(admin, database=database) as session:
        if await session.value("SELECT pg_catalog.to_regclass($1)", table) is None:
            return ()  # not of ours
        return pending_revisions(service, await session.value(f"SELECT version_num FROM {table}"))  # noqa: S608


async def _told(hook: Any, *connections: "asyncpg.Connection[asyncpg.Record] | None") -> list[str]:
    done: list[str] = await hook(*connections)
    return done
