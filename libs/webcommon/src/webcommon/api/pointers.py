"""Pointers to faults of a request: RFC 6901 pointers into the body, `#query/…`, `#path/…` and `#header/…` for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote


def point_at(entry: Mapping[str, Any], *, body: Any) -> str:
    """The pointer of one of pydantic's errors about a request whose body was `body`."""
    place, *rest = entry["loc"]
    if place != "body":
        return f"#{place}/{_join(rest)}"
    if entry["type"] == "json_invalid":
        return "#"
    steps = _steps_into(body, rest, missing=entry["type"] == "missing")
    return f"#/{_join(steps)}" if steps else "#"


def _steps_into(body: Any, location: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The parts of pydantic's location that exist in the body: it also names members of unions, and keys as such."""
    steps: list[str | int] = []
    for index, part in enumerate(location):
        inside_object = isinstance(body, Mapping) and part in body
        inside_list = isinstance(body, list) and isinstance(part, int) and part < len(body)
        if inside_object or inside_list:
            steps.append(part)
            body = body[part]
        elif missing and index == len(location) - 1:
            steps.append(part)
    return steps


def _join(parts: Sequence[str | int]) -> str:
    # RFC 6901, section 6: escaped first as a pointer, then as part of a URI.
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in parts]
    return "/".join(quote(part, safe="~!$&'()*+,;=:@", errors="replace") for part in escaped)
