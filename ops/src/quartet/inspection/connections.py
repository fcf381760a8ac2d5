"""Who holds how many connections, against the limits of the roles and of the server."""

from dataclasses import asdict, dataclass
from typing import Any

from quartet.inspection.server import InspectedServer

# Those that send WAL have a limit of their own, max_wal_senders.
_ROLES = """
    SELECT r.rolname AS role, NULLIF(r.rolconnlimit, -1) AS limit, count(a.pid) AS total,
        count(a.pid) FILTER (WHERE a.state = 'active') AS active,
        count(a.pid) FILTER (WHERE a.state = 'idle') AS idle,
        count(a.pid) FILTER (WHERE a.state LIKE 'idle in transaction%') AS idle_in_transaction,
        extract(epoch FROM max(clock_timestamp() - a.xact_start))::float8 AS longest_transaction_seconds
    FROM pg_catalog.pg_roles r
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.usesysid = r.oid AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.backend_type = 'client backend'
    WHERE r.rolcanlogin GROUP BY r.oid, r.rolname, r.rolconnlimit ORDER BY r.rolname
"""

_SERVER = """
    SELECT current_setting('max_connections')::int AS max_connections,
        current_setting('superuser_reserved_connections')::int AS reserved_connections
"""


@dataclass(frozen=True, kw_only=True)
class RoleConnections:
    """The connections of a role by their state. `limit` is None for a role without one."""

    role: str
    service: str
    limit: int | None
    total: int
    active: int
    idle: int
    idle_in_transaction: int
    longest_transaction_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Connections:
    """The connections of all roles. `reserved_connections` are kept back for superusers."""

    max_connections: int
    reserved_connections: int
    roles: tuple[RoleConnections, ...]

    @property
    def total(self) -> int:
        """How many of `max_connections` are taken."""
        return sum(role.total for role in self.roles)

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return asdict(self) | {"total": self.total}


async def read_connections(server: InspectedServer) -> Connections:
    """The connections of every role of the plan, and of other roles that have any; this command's own is left out.

    Raises WrongPassword or ServerFailed.
    """
    async with server.connect() as connection:
        limits = await connection.fetchrow(_SERVER)
        rows = await connection.fetch(_ROLES)
    services = {role: each.service for each in server.plan for role in (each.user, each.owner)}
    planned = set(server.plan.roles)
    return Connections(
        **dict(limits or {}),
        roles=tuple(
            RoleConnections(service=services.get(row["role"], ""), **dict(row))
            for row in rows
            if row["total"] or row["role"] in planned
        ),
    )
