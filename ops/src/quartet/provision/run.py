"""One provisioning from beginning to end."""

import asyncio
from dataclasses import dataclass

from quartet.provision.contents import ensure_contents
from quartet.provision.databases import ensure_databases
from quartet.provision.monitoring import ensure_monitoring
from quartet.provision.plan import AdminConnection, Plan, ServicePlan
from quartet.provision.roles import ensure_role_settings, ensure_roles
from quartet.provision.session import Session, open_session

LOCK_KEY = 0x0A7E7_0001  # any number that nobody else of this database takes


@dataclass(frozen=True)
class Report:
    """What a provisioning changed, a sentence each; empty when all was as planned. And of what the server has too little."""

    changes: tuple[str, ...]
    shortage: str | None = None

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.changes)


async def provision(admin: AdminConnection, plan: Plan) -> Report:
    """Bring the server to the plan. Two at once take turns; run again, it changes nothing.

    Raises WrongPassword, or ServerFailed when the server does not answer or lacks a required extension.
    """
    async with open_session(admin) as session:
        # Held by the session, hence let go even when this process dies.
        await session.value("SELECT pg_catalog.pg_advisory_lock($1)", LOCK_KEY)
        await ensure_roles(session, plan)
        await ensure_databases(session, plan)
        await ensure_role_settings(session, plan)
        await ensure_monitoring(session)
        inside = await asyncio.gather(*(_ensure_inside(admin, plan, service) for service in plan))
        changes = (*session.changes, *(change for changes in inside for change in changes))
        return Report(changes=changes, shortage=await _find_shortage(session, plan))


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
