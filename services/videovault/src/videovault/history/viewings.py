"""What a heartbeat makes of its viewing. Pure.

The position of a viewing is that of the heartbeat with the latest time. It is completed once it is near enough to the end, or a
player says so, and until it goes back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

COMPLETED_SHARE = 0.9
"""From this part of its duration on a video is watched."""

LAST_SECONDS = 30
LONG_SECONDS = 240
"""So are the last seconds of a video that lasts at least so long."""

LISTED_SECONDS = 5
"""A viewing that did not come so far is not listed."""

AHEAD = timedelta(minutes=5)
"""A time of a player that is further ahead is taken as the present."""

GAP = timedelta(minutes=30)
"""Heartbeats without a session that are nearer to each other are of one viewing."""


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """Where a player is, in whole seconds, and when; `completed`: it says that the video was watched."""

    position_seconds: int
    completed: bool
    watched_at: datetime


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How far a viewing is."""

    position_seconds: int
    completed: bool
    completed_before: bool
    watched_at: datetime


def read_time(given: datetime | None, *, now: datetime) -> datetime:
    """The time of a heartbeat."""
    return now if given is None or given > now + AHEAD else given


def is_completed(position_seconds: int, duration_seconds: int | None) -> bool:
    """Whether that is near enough to the end. Without a known duration nothing is."""
    if not duration_seconds:
        return False
    is_near = position_seconds >= COMPLETED_SHARE * duration_seconds
    is_last = duration_seconds >= LONG_SECONDS and position_seconds >= duration_seconds - LAST_SECONDS
    return is_near or is_last


def advance(viewing: Viewing | None, heartbeat: Heartbeat, *, duration_seconds: int | None) -> Viewing:
    """The viewing after a heartbeat; the same if it is older, or repeats what is known."""
    position = heartbeat.position_seconds
    if duration_seconds:
        position = min(position, duration_seconds)
    completed = heartbeat.completed or is_completed(position, duration_seconds)
    if viewing is None:
        return Viewing(
            position_seconds=position,
            completed=completed,
            completed_before=completed,
            watched_at=heartbeat.watched_at,
        )
    if heartbeat.watched_at < viewing.watched_at:
        return viewing
    completed = completed or (viewing.completed and position >= viewing.position_seconds)
    is_repeated = position == viewing.position_seconds
    return Viewing(
        position_seconds=position,
        completed=completed,
        completed_before=completed or viewing.completed_before,
        watched_at=viewing.watched_at if is_repeated else heartbeat.watched_at,
    )
