"""The periods of leaderboards, in UTC whatever the zones of the process and the database are."""

from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["all", "month", "week", "day"]

KEPT = timedelta(days=7)
"""How long the board of a period is kept after its end: cursors of its pages go on until then."""


def name_period(period: Period, moment: datetime) -> str:
    """The period that holds a moment, as `standings.period` names it. Weeks begin on Monday."""
    day = moment.astimezone(UTC).date()
    match period:
        case "all":
            return "all"
        case "month":
            return f"month {day:%Y-%m}"
        case "week":
            return f"week {day - timedelta(days=day.weekday())}"
        case "day":
            return f"day {day}"


def list_past(now: datetime) -> list[tuple[str, str]]:
    """The periods whose boards are not needed any more, as ranges of names: from the first, and before the second."""
    kinds: tuple[Period, ...] = ("month", "week", "day")
    return [(f"{kind} ", name_period(kind, now - KEPT)) for kind in kinds]
