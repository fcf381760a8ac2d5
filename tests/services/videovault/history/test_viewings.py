"""What a heartbeat makes of its viewing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from videovault.history.viewings import Heartbeat, Viewing, advance, is_completed, read_time

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VIEWING = Viewing(position_seconds=100, completed=False, completed_before=False, watched_at=NOW)


def beat(position: int, *, after: timedelta = MINUTE, completed: bool = False) -> Heartbeat:
    """A heartbeat after the viewing's last one."""
    return Heartbeat(position_seconds=position, completed=completed, watched_at=NOW + after)


@pytest.mark.parametrize(
    ("position", "duration", "expected"),
    [
        *((3239, 3600, False), (3240, 3600, True), (3600, 3600, True)),
        *((89, 100, False), (90, 100, True)),
        *((209, 240, False), (210, 240, True)),  # the last 30 seconds
        *((215, 239, False), (216, 239, True)),  # not long
        *((10**9, None, False), (10**9, 0, False), (1, 1, True), (0, 1, False)),
    ],
)
def test_a_video_is_completed_near_its_end(position: int, duration: int | None, expected: bool) -> None:
    assert is_completed(position, duration) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, NOW),
        (NOW - 600 * MINUTE, NOW - 600 * MINUTE),
        (NOW + 5 * MINUTE, NOW + 5 * MINUTE),
        (NOW + 5 * MINUTE + timedelta(microseconds=1), NOW),
        (NOW + 60 * MINUTE, NOW),
    ],
)
def test_a_time_over_five_minutes_ahead_is_the_present(given: datetime | None, expected: datetime) -> None:
    assert read_time(given, now=NOW) == expected


def test_a_later_heartbeat_holds_and_an_older_one_does_not() -> None:
    assert advance(VIEWING, beat(50), duration_seconds=1000) == replace(
        VIEWING, position_seconds=50, watched_at=NOW + MINUTE
    )
    assert advance(VIEWING, beat(950, after=-MINUTE), duration_seconds=1000) == VIEWING


def test_a_repeated_position_moves_no_time_and_may_complete() -> None:
    assert advance(VIEWING, beat(100), duration_seconds=None) == VIEWING
    completed = replace(VIEWING, completed=True, completed_before=True)
    assert advance(VIEWING, beat(100, completed=True), duration_seconds=None) == completed
    assert advance(completed, beat(100), duration_seconds=None) == completed


def test_a_viewing_is_completed_until_it_goes_back_and_was_so_for_ever() -> None:
    at_the_end = advance(VIEWING, beat(200, completed=True), duration_seconds=None)
    further = advance(at_the_end, beat(201, after=2 * MINUTE), duration_seconds=None)
    back = advance(further, beat(10, after=3 * MINUTE), duration_seconds=None)

    assert (at_the_end.completed, further.completed) == (True, True)
    assert (back.completed, back.completed_before) == (False, True)


def test_a_position_behind_the_end_is_the_end() -> None:
    assert advance(None, beat(1001), duration_seconds=1000).position_seconds == 1000
    assert advance(None, beat(1001), duration_seconds=0).position_seconds == 1001
