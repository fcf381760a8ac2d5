"""The parts of a report. A new one is a function in the list."""

import importlib.metadata
import platform
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from quartet.doctor.examination import examine
from quartet.errors import Failure
from quartet.health import check_all
from quartet.inspection.connections import read_connections
from quartet.inspection.locks import locks_as_json, read_locks
from quartet.inspection.server import describe_server
from quartet.inspection.sizes import read_sizes
from quartet.inspection.slow import find_slow
from quartet.postgres import find_binaries
from quartet.settings import OperatorSettings
from quartet.settings.effective import find_effective

Part: TypeAlias = Callable[[OperatorSettings], Awaitable[Any]]

TOP_STATEMENTS = 25
TAIL_BYTES = 4 * 1024 * 1024
HIDDEN = "***"

_CHANGED_SETTINGS = """
    SELECT name, setting, unit, source FROM pg_catalog.pg_settings
    WHERE source NOT IN ('default', 'client', 'session', 'override') ORDER BY name
"""

_EXTENSIONS = "SELECT extname AS name, extversion AS version FROM pg_catalog.pg_extension ORDER BY extname"


async def tell_doctor(settings: OperatorSettings) -> Any:
    """What `quartet doctor` finds."""
    return (await examine(settings)).as_json()


async def tell_health(settings: OperatorSettings) -> Any:
    """What `quartet health` shows."""
    return {report.name: report.as_json() for report in await check_all(settings)}


async def tell_slow(settings: OperatorSettings) -> Any:
    """What `quartet db slow` shows."""
    server = describe_server(settings)
    return (
        await find_slow(settings, server, list(server.databases), top=TOP_STATEMENTS, since=None)
    ).as_json()


async def tell_locks(settings: OperatorSettings) -> Any:
    """What `quartet db locks` shows."""
    return locks_as_json(await read_locks(describe_server(settings)))


async def tell_connections(settings: OperatorSettings) -> Any:
    """What `quartet db connections` shows."""
    return (await read_connections(describe_server(settings))).as_json()


async def tell_sizes(settings: OperatorSettings) -> Any:
    """What `quartet db sizes` shows."""
    server = describe_server(settings)
    return (await read_sizes(server, list(server.databases))).as_json()


async def tell_versions(_settings: OperatorSettings) -> Any:
    """The versions of Python, the system, and every installed package."""
    packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(sorted(packages.items())),
    }


async def tell_server(settings: OperatorSettings) -> Any:
    """The server's version, its settings that are not defaults, its extensions, and the programs here."""
    async with describe_server(settings).connect() as connection:
        version = await connection.fetchval("SELECT pg_catalog.version()")
        changed = await connection.fetch(_CHANGED_SETTINGS)
        extensions = await connection.fetch(_EXTENSIONS)
    try:
        programs: Any = find_binaries(settings.named_bindir).major
    except Failure as error:
        programs = str(error)
    return {
        "version": version,
        "programs": programs,
        "settings": [dict(row) for row in changed],
        "extensions": [dict(row) for row in extensions],
    }


async def tell_settings(settings: OperatorSettings) -> Any:
    """What `quartet config` shows."""
    found = {}
    for name, setting in settings.known.items():
        value, source = find_effective(settings, name)
        found[name] = {"value": HIDDEN if setting.secret and value is not None else value, "source": source}
    return found


PARTS: Mapping[str, Part] = {
    "doctor": tell_doctor,
    "health": tell_health,
    "slow": tell_slow,
    "locks": tell_locks,
    "connections": tell_connections,
    "sizes": tell_sizes,
    "versions": tell_versions,
    "server": tell_server,
    "settings": tell_settings,
}


def find_logs(settings: OperatorSettings) -> dict[str, Path]:
    """The logs of the state folder, and that of the embedded server."""
    home = settings.home
    logs = {path.stem: path for path in sorted(home.logs.glob("*.log"))}
    server = home.cluster_folder() / "server.log"
    return logs | ({"postgres": server} if server.is_file() else {})


def read_last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log, of its last 4 MiB at most."""
    if not count:
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-count:]
