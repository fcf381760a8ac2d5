"""The dearest statements of each service, what to do about them, and whether they have improved since an earlier run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from quartet.inspection.advice import Advice, advise_page, advise_repetition
from quartet.inspection.plans import open_planner
from quartet.inspection.runs import Change, Run, compare, find_run, save_run, was_reset
from quartet.inspection.server import InspectedServer, one_line
from quartet.inspection.statements import Statement, Statistics, read_statements
from quartet.settings import OperatorSettings

FOLDER = "slow"


@dataclass(frozen=True, kw_only=True)
class DearStatement:
    """A statement, its share of its service's time, what to do, and what has become of it."""

    statement: Statement
    share: float
    advice: tuple[Advice, ...]
    change: Change | None

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        found = self.statement
        return {
            "id": found.id,
            "statement": one_line(found.text, longest=2000),
            "calls": found.calls,
            "total_ms": found.total_ms,
            "mean_ms": found.mean_ms,
            "share": self.share,
            "rows": found.rows,
            "cache_hit_ratio": found.hit_ratio,
            "advice": [asdict(advice) for advice in self.advice],
            "change": asdict(self.change) if self.change else None,
        }


@dataclass(frozen=True, kw_only=True)
class SlowReport:
    """The dearest statements by service. `reset`: whether counting began anew since the earlier run `since`."""

    counted_since: datetime
    since: str | None
    reset: bool
    run: str
    services: dict[str, tuple[DearStatement, ...]]

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return {
            "counted_since": self.counted_since.isoformat(),
            "since": self.since,
            "reset": self.reset,
            "run": self.run,
            "services": {
                service: [each.as_json() for each in statements]
                for service, statements in self.services.items()
            },
        }


async def find_slow(
    settings: OperatorSettings,
    server: InspectedServer,
    services: Sequence[str],
    *,
    top: int,
    since: str | None,
) -> SlowReport:
    """The `top` statements of each service by their total time, and keep this run for a later one to compare with.

    Raises NotFound for an earlier run that is not there, WrongPassword or ServerFailed.
    """
    settings.home.prepare()
    folder: Path = settings.home.path / FOLDER
    earlier = find_run(folder, since) if since else None
    statistics = await read_statements(server)
    found = {
        service: await _examine(settings, server, service, statistics, top=top, earlier=earlier)
        for service in services
    }
    return SlowReport(
        counted_since=statistics.counted_since,
        since=earlier.id if earlier else None,
        reset=earlier is not None and was_reset(earlier, statistics),
        run=save_run(folder, statistics),
        services=found,
    )


async def _examine(
    settings: OperatorSettings,
    server: InspectedServer,
    service: str,
    statistics: Statistics,
    *,
    top: int,
    earlier: Run | None,
) -> tuple[DearStatement, ...]:
    statements = statistics.services[service]
    total = sum(each.total_ms for each in statements)
    found = []
    async with open_planner(server, settings.database_url(service, server=settings.server())) as planner:
        for each in statements[:top]:
            advice = [advise_repetition(each, statements), advise_page(each), *await planner.advise(each)]
            change = (
                compare(earlier, service, each, reset=was_reset(earlier, statistics)) if earlier else None
            )
            found.append(
                DearStatement(
                    statement=each,
                    share=each.total_ms / total if total else 0.0,
                    advice=tuple(given for given in advice if given),
                    change=change,
                )
            )
    return tuple(found)
