"""Earlier runs of `quartet db slow`, kept in the state folder, and what has changed since one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from quartet.errors import NotFound
from quartet.inspection.statements import Statement, Statistics
from quartet.settings.secrets_file import write_privately

Verdict = Literal["improved", "worse", "unchanged", "not called", "new"]

KEPT = 20
LAST = "last"

CLEARLY = 1.25
"""Means that differ by less are called unchanged."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The counters of an earlier run: calls and total ms of each statement of a service."""

    id: str
    counted_since: datetime
    counters: Mapping[str, Mapping[str, tuple[int, float]]]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A statement since an earlier run: its calls and mean since, its mean until then, and whether that is better."""

    calls: int
    mean_ms: float | None
    mean_ms_before: float | None
    verdict: Verdict


def save_run(folder: Path, statistics: Statistics) -> str:
    """Keep the counters, and forget the oldest ones; the run's id."""
    folder.mkdir(mode=0o700, exist_ok=True)
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    counters = {
        service: {each.id: (each.calls, each.total_ms) for each in statements}
        for service, statements in statistics.services.items()
    }
    content = {"counted_since": statistics.counted_since.isoformat(), "counters": counters}
    write_privately(folder / f"{run_id}.json", json.dumps(content))
    for path in _paths(folder)[KEPT:]:
        path.unlink(missing_ok=True)
    return run_id


def find_run(folder: Path, name: str) -> Run:
    """The run of that id, or the newest for "last". Raises NotFound."""
    paths = _paths(folder)
    wanted = [path for path in paths if path.stem == name] if name.lower() != LAST else paths
    if not wanted:
        kept = ", ".join(path.stem for path in paths) or "none"
        raise NotFound(f"there is no earlier run {name}: kept are {kept}; every `quartet db slow` keeps one")
    try:
        content = json.loads(wanted[0].read_text())
        return _as_run(wanted[0].stem, content)
    except (OSError, ValueError, KeyError, TypeError):
        raise NotFound(f"{wanted[0]} cannot be read: delete it, and name another run") from None


def was_reset(run: Run, now: Statistics) -> bool:
    """Whether counting began anew after that run."""
    return run.counted_since != now.counted_since


def compare(run: Run, service: str, statement: Statement, *, reset: bool) -> Change:
    """What has become of a statement. After a reset, or when the server forgot it in between, all its calls are new ones."""
    earlier = run.counters.get(service, {}).get(statement.id)
    if earlier is None:
        return Change(calls=statement.calls, mean_ms=statement.mean_ms, mean_ms_before=None, verdict="new")
    calls_then, total_then = earlier
    began_anew = reset or statement.calls < calls_then or statement.total_ms < total_then
    calls = statement.calls - (0 if began_anew else calls_then)
    total = statement.total_ms - (0.0 if began_anew else total_then)
    before = total_then / calls_then if calls_then else None
    mean = total / calls if calls else None
    return Change(calls=calls, mean_ms=mean, mean_ms_before=before, verdict=_judge(before, mean))


def _judge(before: float | None, after: float | None) -> Verdict:
    if after is None:
        return "not called"
    if before is None:
        return "new"
    if after * CLEARLY < before:
        return "improved"
    return "worse" if before * CLEARLY < after else "unchanged"


def _paths(folder: Path) -> list[Path]:
    """The kept runs, the newest first."""
    return sorted(folder.glob("*.json"), reverse=True)


def _as_run(run_id: str, content: Any) -> Run:
    return Run(
        id=run_id,
        counted_since=datetime.fromisoformat(content["counted_since"]),
        counters={
            service: {statement: (int(calls), float(total)) for statement, (calls, total) in counters.items()}
            for service, counters in content["counters"].items()
        },
    )
