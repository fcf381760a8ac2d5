"""The periods of leaderboards are those of UTC."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from l2p.leaderboards.periods import Period, name_period

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
SUNDAY = MONDAY - timedelta(milliseconds=100)


@pytest.mark.parametrize(
    ("period", "moment", "name"),
    [
        ("all", MONDAY, "all"),
        ("week", MONDAY, "week 2026-11-30"),
        ("week", SUNDAY, "week 2026-11-23"),
        ("week", MONDAY + timedelta(days=6), "week 2026-11-30"),
        ("day", SUNDAY, "day 2026-11-29"),
        ("day", MONDAY, "day 2026-11-30"),
        ("month", datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), "month 2026-11"),
        ("month", datetime(2026, 12, 1, tzinfo=UTC), "month 2026-12"),
        ("week", datetime(2027, 1, 1, tzinfo=UTC), "week 2026-12-28"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_period_is_that_of_utc_in_any_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, period: Period, moment: datetime, name: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert name_period(period, moment.astimezone(ZoneInfo(zone))) == name
    finally:
        monkeypatch.undo()
        time.tzset()
