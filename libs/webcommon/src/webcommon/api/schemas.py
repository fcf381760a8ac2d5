"""Base of request bodies, and field types that several services share."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer


class RequestBody(BaseModel):
    """A JSON body. Unknown fields are refused with 422, so that a misspelt field is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseBody(BaseModel):
    """A JSON answer, made from a row or an object with the same attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _refuse_unstorable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can contain one as \ud800; it is no character, and no encoding represents it.
        raise ValueError("holds half of a surrogate pair; remove it") from None
    return text


Text = Annotated[str, AfterValidator(_refuse_unstorable)]
"""Text that PostgreSQL can store: every Unicode character except NUL."""


DEEPEST_JSON = 32
"""The maximum depth of a free JSON value."""


def _refuse_unstorable_json(value: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [value]
    for _ in range(DEEPEST_JSON + 1):
        level = [part for container in level for part in _parts_of(container)]
        if not level:
            return value
    raise ValueError(f"is nested deeper than {DEEPEST_JSON} levels")


def _parts_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _refuse_unstorable(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that JSON does not know")
    return []


JsonObject = Annotated[dict[str, Any], AfterValidator(_refuse_unstorable_json)]
"""Any JSON object that PostgreSQL can store as `jsonb`: no NUL, no infinity, at most `DEEPEST_JSON` levels."""


def in_utc(moment: datetime) -> str:
    """RFC 3339 in UTC, as responses have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(in_utc, return_type=str, when_used="json")]
"""A time, written as RFC 3339 in UTC."""


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII)


def _refuse_other_notations(value: Any) -> Any:
    # Pydantic alone would read 2026 and "2026" as a time in the first hour of 1970.
    if not isinstance(value, datetime) and not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        raise ValueError("write it as 2026-11-22T18:30:00Z (RFC 3339)")
    return value


def _move_to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_refuse_other_notations), AfterValidator(_move_to_utc)]
"""A time in a request: RFC 3339 with its offset from UTC, and no other format."""


def _refuse_other_numbers(value: Any) -> Any:
    # Pydantic alone would read "1_0", " 10 " and "10.0" as ten.
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        raise ValueError("write it in digits, such as 10")
    return value


Digits = Annotated[int, BeforeValidator(_refuse_other_numbers)]
"""A whole number in a query or a path. In a JSON body it is an `int` with `strict=True`."""
