"""The texts of questions: what an import removes from them, when two are equal, and how a CSV cell guards one."""

import re
import unicodedata

_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
_OVERRIDES = re.compile("[\u202a-\u202e]")
"""They turn the order of what follows, also outside of the text. Isolates (U+2066 to U+2069) end with it, and stay."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters, except tabs and line ends."""


def trim(text: str) -> str:
    """The text without spaces and invisible characters at its ends."""
    return text.strip() if text.isascii() else text.strip(_SPACES + _INVISIBLE)


def clean(text: str) -> str:
    """The text as an import takes it: trimmed, without characters that turn the order of others. Raises `ValueError` when
    it holds a control character."""
    cleaned = trim(text if text.isascii() else _OVERRIDES.sub("", text))
    if cleaned.isprintable():
        return cleaned
    found = _CONTROL.search(cleaned)
    if found:
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}")
    return cleaned


def comparable(text: str) -> str:
    """Equal for texts that look the same: options with equal ones cannot be told apart."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", trim(_OVERRIDES.sub("", text)))


_NUMBER = re.compile(r"[+-]?\.?[0-9][0-9.,]*([eE][+-]?[0-9]+)?")
_FORMULA = tuple("=+-@\t\r")

GUARD = "'"
"""Before a text that a spreadsheet would take as a formula. The rest of the cell is exactly the text."""


def guard(text: str) -> str:
    """The CSV cell of a text."""
    return GUARD + text if _needs_guard(text) else text


def is_guarded(cell: str) -> bool:
    """Whether the cell is one of `guard` with a guard in it."""
    return cell.startswith(GUARD) and _needs_guard(cell[1:])


def _needs_guard(text: str) -> bool:
    """Whether a spreadsheet would compute the text, or our own import change it."""
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return True
    if text.startswith(GUARD):
        return _needs_guard(text.lstrip(GUARD))
    try:
        return clean(text) != text
    except ValueError:
        return True
