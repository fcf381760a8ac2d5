"""What stands on a receipt, as text that is ready to be shown."""

from dataclasses import dataclass
from typing import Any, Self

LENGTH_BYTES = 4
"""In front of what goes to the program that makes PDFs, and of what comes from it."""

_CONTROLS = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}


def make_visible(text: str) -> str:
    """The text with pictures in the place of control characters, which no font draws (␊ for a line's end)."""
    return text.translate(_CONTROLS)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the order."""

    name: str
    quantity: str
    unit_price: str
    total_price: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A receipt. `sums` has a label and an amount each, the last one what was paid and kept."""

    number: str
    paid_on: str
    buyer: str | None
    currency: str
    lines: list[Line]
    sums: list[tuple[str, str]]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """The receipt whose `asdict` this is, read from JSON."""
        lines = [Line(**line) for line in fields["lines"]]
        return cls(**fields | {"lines": lines})
