"""Byte ranges (RFC 9110, section 14): which bytes of a file a `Range` header asks for."""

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_RANGES = 100
"""A header with more is ignored, as section 14.2 allows."""

_SPECIFIER = re.compile(r"(?i:bytes)=(.*)")
_SPEC = re.compile(r"[ \t]*(?:([0-9]*)-([0-9]*))?[ \t]*")

# No file is larger, and Python does not read numbers of any length.
_MOST_DIGITS = 30


class ByteRange(NamedTuple):
    """The bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.last - self.first + 1


def select_ranges(header: str, *, size: int) -> Sequence[ByteRange] | None:
    """The ranges to send of a file with `size` bytes, in the order in which they were asked for; none is satisfiable if it is
    empty. None when the header is to be ignored, so that all is sent.

    Ignored are another unit, a header that is malformed in any of its ranges, and more than `MOST_RANGES` (section 14.2). Of
    several ranges the unsatisfiable ones are left out, and those that overlap are sent as one (section 15.3.7.2), so that no
    byte is sent twice.
    """
    match = _SPECIFIER.fullmatch(header)
    specs = match[1].split(",", MOST_RANGES + 1) if match else []
    if len(specs) > MOST_RANGES:
        return None
    found: list[ByteRange] = []
    is_given = False
    for spec in specs:
        parts = _SPEC.fullmatch(spec)
        if parts is None:
            return None
        first, last = parts.groups()
        if first is None:
            continue  # an empty element of the list (section 5.6.1.2)
        if not first + last or (first and last and _read(last) < _read(first)):
            return None
        is_given = True
        selected = _select(first, last, size=size)
        if selected is not None:
            found.append(selected)
    # The last bytes of an empty file are none: satisfiable (section 14.1.2), and no range can say so.
    if not is_given or any(part.length == 0 for part in found):
        return None
    return _coalesce(found)


def _select(first: str, last: str, *, size: int) -> ByteRange | None:
    """The bytes of a range; None when it is unsatisfiable (section 14.1.2)."""
    if not first:
        length = min(_read(last), size)
        return ByteRange(size - length, size - 1) if _read(last) > 0 else None
    if _read(first) >= size:
        return None
    return ByteRange(_read(first), min(_read(last), size - 1) if last else size - 1)


def _read(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits[:_MOST_DIGITS] or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _coalesce(found: Sequence[ByteRange]) -> list[ByteRange]:
    """Those that overlap as one, which stands where the first of them did."""
    joined: list[tuple[int, ByteRange]] = []
    for place, part in sorted(enumerate(found), key=lambda pair: pair[1]):
        if joined and part.first <= joined[-1][1].last:
            before, whole = joined[-1]
            joined[-1] = min(before, place), ByteRange(whole.first, max(whole.last, part.last))
        else:
            joined.append((place, part))
    return [part for _, part in sorted(joined)]
