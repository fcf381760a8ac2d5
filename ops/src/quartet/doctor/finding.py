"""What a check looks at, and what it gives."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from quartet.inspection.server import InspectedServer
from quartet.settings import OperatorSettings

Severity = Literal["warning", "failure"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `fix` says what to do about it."""

    severity: Severity
    what: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The system to examine. `now` gives this machine's time, in UTC."""

    settings: OperatorSettings
    server: InspectedServer
    now: Callable[[], datetime]

    async def existing_databases(self) -> Mapping[str, str]:
        """The databases of the services that are there, by service; a missing one is a finding of its own."""
        async with self.server.connect() as connection:
            rows = await connection.fetch(
                "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND datname = ANY($1::text[])",
                list(self.server.databases.values()),
            )
        there = {row["datname"] for row in rows}
        return {service: name for service, name in self.server.databases.items() if name in there}


Check: TypeAlias = Callable[[Subject], Awaitable[list[Finding]]]
"""Gives nothing when all is well. A Failure that it raises becomes a finding."""


def warning(what: str, *, fix: str) -> Finding:
    """Something to see to, while the system works."""
    return Finding(severity="warning", what=what, fix=fix)


def failure(what: str, *, fix: str) -> Finding:
    """Something that does not work now, or loses data if nothing is done."""
    return Finding(severity="failure", what=what, fix=fix)
