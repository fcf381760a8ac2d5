"""Positions in a playlist: text between any two of which there is another one, so that a move changes one item alone. Pure.

A position is a fraction in digits of base 62, compared by code points; it does not end with the lowest digit, so that there is room
before it.
"""

import string

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
LONGEST = 64
"""Digits of a position; a playlist that needs more is numbered anew."""

PATTERN = r"^[0-9A-Za-z]{0,63}[1-9A-Za-z]$"

_BASE = len(DIGITS)
_WIDTH = 6
_STEP = _BASE**2
"""What follows the last, or goes before the first, is so far away in the first digits: there is room for as many between them."""


def between(before: str | None, after: str | None) -> str:
    """A position after one and before another one, which is greater; None is an end of the playlist."""
    if after is None:
        following = _read(before, _WIDTH) + _STEP if before else _BASE**_WIDTH // 2
        if following < _BASE**_WIDTH:
            return _write(following, _WIDTH)
    elif before is None:
        leading = _read(after, _WIDTH) - _STEP
        if leading > 0:
            return _write(leading, _WIDTH)
    width = max(len(before or ""), len(after or "")) + 1
    upper = _read(after, width) if after else _BASE**width
    return _write((_read(before or "", width) + upper) // 2, width)


def spread(count: int) -> list[str]:
    """So many positions with room between them."""
    first = _BASE**_WIDTH // 2
    return [_write(first + number * _STEP, _WIDTH) for number in range(count)]


def _read(position: str | None, width: int) -> int:
    number = 0
    for digit in (position or "")[:width].ljust(width, DIGITS[0]):
        number = number * _BASE + DIGITS.index(digit)
    return number


def _write(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, _BASE)
        digits = DIGITS[digit] + digits
    return digits.rstrip(DIGITS[0])
