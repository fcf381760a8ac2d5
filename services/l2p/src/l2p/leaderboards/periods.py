"""The periods of leaderboards, in UTC whatever the zones of the process and the database are."""

from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["all", "month", "week", "day"]


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
