"""Conditional requests (RFC 9110, section 13) by a strong entity tag and a time of modification."""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from videovault.entity_tags import is_current, is_unchanged

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

# Section 5.6.7: the preferred form, and the obsolete ones of RFC 850 and of C's asctime.
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)

_CENTURY = 100
_YEARS_AHEAD = 50


class Conditions(BaseModel):
    """The headers of a request that say whether and what to send."""

    model_config = ConfigDict(frozen=True)

    range: str | None = None
    if_match: str | None = None
    if_unmodified_since: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_range: str | None = None


class Validators(NamedTuple):
    """What tells two states of a file apart: a strong entity tag, and when it was modified, in Unix seconds."""

    tag: str
    modified: int


class Verdict(Enum):
    """What the preconditions of a request come to."""

    SEND = "send"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


def judge(conditions: Conditions, validators: Validators, *, now: float) -> Verdict:
    """Evaluate the preconditions of a GET or HEAD in the order of section 13.2.2. `now` is in Unix seconds."""
    tag, modified = validators
    if conditions.if_match is not None:
        if not is_current(conditions.if_match, tag):
            return Verdict.FAILED
    elif (date := parse_date(conditions.if_unmodified_since, now=now)) is not None and modified > date:
        return Verdict.FAILED
    if conditions.if_none_match is not None:
        if is_unchanged(conditions.if_none_match, tag):
            return Verdict.NOT_MODIFIED
    elif (date := parse_date(conditions.if_modified_since, now=now)) is not None and modified <= date:
        return Verdict.NOT_MODIFIED
    return Verdict.SEND


def allows_ranges(if_range: str | None, validators: Validators, *, now: float) -> bool:
    """Whether `If-Range` lets a range be sent: without one, or when it is what the file has (section 13.1.5).

    A date is compared exactly. It is no strong validator (section 8.8.2.2) in the second in which the file was modified.
    """
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip() == validators.tag
    return parse_date(if_range, now=now) == validators.modified < int(now)


def parse_date(text: str | None, *, now: float) -> int | None:
    """The Unix seconds of an HTTP date (section 5.6.7); None for anything else, which is ignored."""
    found = next((match for form in _DATES if (match := form.fullmatch(text or ""))), None)
    if found is None:
        return None
    year, day, hour, minute, second = (
        int(found[name]) for name in ("year", "day", "hour", "minute", "second")
    )
    if len(found["year"]) < len("1994"):
        year = _expand_year(year, now=now)
    try:
        # A leap second, which the form allows, is the one before.
        date = datetime(
            year, _MONTHS.index(found["month"]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC
        )
    except ValueError:
        return None
    return int(date.timestamp())


def _expand_year(year: int, *, now: float) -> int:
    """Two digits: the next such year, unless it is more than 50 years ahead; else the last one."""
    this = datetime.fromtimestamp(now, UTC).year
    following = this + (year - this) % _CENTURY
    return following - _CENTURY if following > this + _YEARS_AHEAD else following
