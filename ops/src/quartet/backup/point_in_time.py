"""One database as it was at a time: recovered beside the running server, then dumped over."""

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyrage.x25519 import Identity

from quartet.backup.archive import FOLDER, Route, find_route, read_state
from quartet.backup.contents import read_contents
from quartet.backup.destination import Destination
from quartet.backup.manifest import list_ids, read_manifest
from quartet.backup.progress import Reporter
from quartet.backup.recovery import Recovery
from quartet.backup.restore import LiveDatabase, require_room, restore_database
from quartet.backup.server import connect
from quartet.backup.tools import Tools
from quartet.errors import NotFound, WrongSettings
from quartet.provision.plan import AdminConnection, Plan, ServicePlan

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A time, and how it is reached."""

    at: datetime
    route: Route

    @property
    def needed_bytes(self) -> int:
        """What the throw-away server about takes on the disk."""
        return self.route.base.bytes + 8 * 16 * 1024 * 1024


def parse_time(text: str) -> datetime:
    """A time of RFC 3339, in UTC. Raises WrongSettings; without an offset it would mean another time in each place."""
    found = _RFC_3339.fullmatch(text)
    if found is not None and found["offset"] is None:
        raise WrongSettings(
            f"--at {text}: the offset from UTC is missing: add Z for UTC, or one such as +01:00"
        )
    moment = None
    if found is not None:
        with contextlib.suppress(ValueError, OverflowError):  # 31 February
            moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    if moment is None:
        raise WrongSettings(f"--at {text}: a time such as 2026-11-30T02:21:18Z is needed (RFC 3339)")
    return moment


def find_target(destination: Destination, at: datetime) -> Target:
    """How a time is reached. Raises TimeNotReachable, which tells the times that are, or DamagedBackup."""
    manifests = [read_manifest(destination, backup_id) for backup_id in list_ids(destination)[0]]
    sizes = destination.sizes(FOLDER)
    return Target(at=at, route=find_route(manifests, read_state(destination), sizes, at=at))


async def restore_at(
    target: Target,
    planned: ServicePlan,
    *,
    origin: str,
    destination: Destination,
    identities: list[Identity],
    admin: AdminConnection,
    plan: Plan,
    tools: Tools,
    disk: Path,
    server_disk: Path | None,
    reporter: Reporter,
) -> None:
    """Restore the database that was called `origin` at the target into that of `planned`.

    The throw-away server lives in `disk`; `server_disk` is a folder on the running server's disk, when that is here.
    Raises what `Recovery.server` and `restore_database` raise.
    """
    require_room(disk, target.needed_bytes, purpose="the recovery")
    tools.require_major(target.route.manifest.server_major)
    recovery = Recovery(
        route=target.route,
        destination=destination,
        identities=identities,
        binaries=tools.binaries,
        at=target.at,
    )
    async with recovery.server(disk, reporter=reporter) as recovered:
        source = await _describe(recovered, origin)
        await restore_database(
            source, planned, admin=admin, plan=plan, tools=tools, disk=server_disk, reporter=reporter
        )


async def _describe(recovered: Tools, database: str) -> LiveDatabase:
    there = await connect(recovered, "postgres")
    try:
        size = await there.fetchval(
            "SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = $1", database
        )
    finally:
        await there.close()
    if size is None:
        raise NotFound(f"there was no database {database} at that time: choose a later one")
    connection = await connect(recovered, database)
    try:
        tables = await read_contents(connection)
    finally:
        await connection.close()
    return LiveDatabase(tools=recovered, database=database, needed_bytes=size, tables=tables)
