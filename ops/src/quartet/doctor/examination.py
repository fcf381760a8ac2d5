"""Runs the checks. A new one is a function in one of the two lists."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg

from quartet.doctor.contents import check_indexes, check_large_objects, check_sequences
from quartet.doctor.finding import Check, Finding, Subject, failure
from quartet.doctor.machine import check_backups, check_disk
from quartet.doctor.reaching import (
    check_connections,
    check_logins,
    check_migrations,
    check_redis,
    check_server,
    check_services,
)
from quartet.doctor.server_state import (
    check_clock,
    check_limits,
    check_slots,
    check_statements,
    check_versions,
    check_wraparound,
)
from quartet.errors import Failure, NotFound
from quartet.inspection.server import describe_server
from quartet.settings import OperatorSettings

Outcome = Literal["pass", "warn", "fail", "skipped"]

WITHOUT_SERVER: tuple[Check, ...] = (check_server, check_disk, check_backups, check_services, check_redis)

WITH_SERVER: tuple[Check, ...] = (
    check_logins,
    check_connections,
    check_migrations,
    check_versions,
    check_clock,
    check_limits,
    check_wraparound,
    check_slots,
    check_statements,
    check_sequences,
    check_indexes,
    check_large_objects,
)
"""These are skipped when `check_server` fails."""


def name_of(check: Check) -> str:
    """The name by which an operator calls a check: `check_large_objects` is large-objects."""
    return str(getattr(check, "__name__", "")).removeprefix("check_").replace("_", "-")


CHECKS = {name_of(check): check for check in (*WITHOUT_SERVER, *WITH_SERVER)}


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The findings of each check; None for one that was skipped."""

    findings: dict[str, list[Finding] | None]

    @property
    def status(self) -> Outcome:
        """The worst outcome of a check."""
        outcomes = {self.outcome_of(name) for name in self.findings}
        return "fail" if "fail" in outcomes else "warn" if "warn" in outcomes else "pass"

    def outcome_of(self, check: str) -> Outcome:
        """The outcome of one check."""
        found = self.findings[check]
        if found is None:
            return "skipped"
        severities = {finding.severity for finding in found}
        return "fail" if "failure" in severities else "warn" if severities else "pass"

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return {
            "status": self.status,
            "checks": {name: self.outcome_of(name) for name in self.findings},
            "findings": [
                {"check": name, **asdict(finding)}
                for name, found in self.findings.items()
                for finding in found or []
            ],
        }


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def examine(
    settings: OperatorSettings, chosen: Iterable[str] = (), *, now: Callable[[], datetime] = _utc_now
) -> Examination:
    """Run the checks of those names, by default all. Raises NotFound for a name that no check has."""
    names = list(chosen) or list(CHECKS)
    if unknown := [name for name in names if name not in CHECKS]:
        raise NotFound(f"there is no check {unknown[0]}: there are {', '.join(CHECKS)}")
    try:
        subject = Subject(settings=settings, server=describe_server(settings), now=now)
    except Failure as error:  # no server was ever started, or a password is not known
        return Examination(findings={"server": [_told(error)]})
    answers = await _run(check_server, subject)
    findings: dict[str, list[Finding] | None] = {}
    for name in names:
        check = CHECKS[name]
        if check is check_server:
            findings[name] = answers
        else:
            findings[name] = None if answers and check in WITH_SERVER else await _run(check, subject)
    if answers:
        findings["server"] = answers
    return Examination(findings=findings)


async def _run(check: Check, subject: Subject) -> list[Finding]:
    try:
        return await check(subject)
    except Failure as error:
        return [_told(error)]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [
            failure(f"the check did not end: {error}", fix="try again; `quartet logs postgres` may say why")
        ]


def _told(error: Failure) -> Finding:
    what, _, fix = str(error).rpartition(": ")
    return failure(what or fix, fix=fix if what else "see what it says")
