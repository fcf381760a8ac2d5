"""Runs one provisioning."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from dbcommon.lock_holder import HOLDER, TELLING_SECONDS, HolderTeller
from quartet.errors import ServerFailed
from quartet.provision.contents import ensure_contents
from quartet.provision.databases import ensure_databases
from quartet.provision.monitoring import ensure_monitoring
from quartet.provision.plan import AdminConnection, Plan, ServicePlan
from quartet.provision.roles import ensure_role_settings, ensure_roles
from quartet.provision.session import Session, open_session

LOCK_KEY = 0x0A7E7_0001  # of an advisory lock in the database `postgres`; any number of our own

TURN_SECONDS = 60
"""The longest wait for another provisioning of the same server."""


@dataclass(frozen=True)
class Report:
    """The changes of a provisioning, a sentence each, and a warning when the server allows too few connections."""

    changes: tuple[str, ...]
    shortage: str | None = None

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.changes)


async def provision(
    admin: AdminConnection, plan: Plan, *, say: Callable[[str], None] = lambda _line: None
) -> Report:
    """Bring the server to the plan; a second run changes nothing. Two at once take turns, and `say` is told what it waits for.

    Raises WrongPassword, or ServerFailed when the server does not answer, lacks a required extension, or is being
    provisioned by another process for longer than `TURN_SECONDS`.
    """
    async with open_session(admin) as session:
        await _take_turn(session, say=say)
        await ensure_roles(session, plan)
        await ensure_databases(session, plan)
        await ensure_role_settings(session, plan)
        await ensure_monitoring(session)
        inside = await asyncio.gather(*(_ensure_inside(admin, plan, service) for service in plan))
        changes = (*session.changes, *(change for changes in inside for change in changes))
        return Report(changes=changes, shortage=await _find_shortage(session, plan))


async def _take_turn(session: Session, *, say: Callable[[str], None]) -> None:
    # A lock of the session: it is released even when this process dies.
    teller = HolderTeller(lock="the lock of the provisioning", say=say)
    deadline = time.monotonic() + TURN_SECONDS
    await session.connection.execute(f"SET lock_timeout = '{TELLING_SECONDS}s'")
    while True:
        try:
            await session.value("SELECT pg_catalog.pg_advisory_lock($1)", LOCK_KEY)
        except asyncpg.LockNotAvailableError as error:
            teller.tell(next(iter(await session.rows(HOLDER, LOCK_KEY)), None))
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"another process has been provisioning this server for {TURN_SECONDS} seconds: wait for it or end it"
                ) from error
        else:
            break
    await session.connection.execute("RESET lock_timeout")  # to the session's default


async def _find_shortage(session: Session, plan: Plan) -> str | None:
    allowed = await session.value("SELECT current_setting('max_connections')::int")
    if allowed >= plan.max_connections:
        return None
    return (
        f"the server takes {allowed} connections, and the roles may open {plan.max_connections}: set its max_connections"
        f" to {plan.max_connections}, or lower QUARTET_REPLICAS or DB_POOL_MAX"
    )


async def _ensure_inside(admin: AdminConnection, plan: Plan, service: ServicePlan) -> list[str]:
    async with open_session(admin, database=service.database) as session:
        async with session.connection.transaction():
            await ensure_contents(session, plan, service=service)
        return session.changes
