"""Masks secrets in logs: by the name of a field, and by the shape of a text.

The shapes are a second line of defence: a secret without a typical shape can only be kept out by not logging it.
"""

import re
from typing import Any

MASK = "***"

_SECRET_NAMES = re.compile(
    r"passw|secret|token|cookie|authorization|card|cvc|api[_-]?key|credential", re.IGNORECASE
)

# Every repetition is bounded or ends with its match, so that a long line does not make the search slow.
_SECRET_TEXTS = re.compile(
    r"""
    eyJ[\w-]{8,}(?:\.[\w-]*){0,2}                                # a JSON Web Token, or the beginning of one
    | (?:(?<=postgresql://)|(?<=postgres://)|(?<=asyncpg://))\S+(?=@)  # whatever stands unescaped in the password
    | (?<=://)[^\s/@]*:[^\s/@]+(?=@)
    | (?i:(?<=bearer\ )|(?<=basic\ ))[\w.~+/=-]{8,}
    | \b(?:sk|rk|whsec)_(?:test_|live_)?\w{8,}                   # keys of the payment processor
    | (?<=\[parameters:\ ).*                                     # of a statement, as SQLAlchemy shows them
    | \$(?:argon2|2[aby]\$)[^\s,)]+                               # a password's hash
    | (?<=DETAIL:)\s+\S.*                                        # the values of a row that PostgreSQL refused
    | (?<=for\ query\ argument\ )\$\d+:.*                        # as the database driver refuses one
    | (?i:(?<=cookie:\ )).*
    | (?P<name>(?i:\b[\w-]{0,40}(?:passw(?:or)?d|secret|token|authorization|api[_-]?key)[\w-]{0,40})["']?\s?[=:]\s?)
      ["']?(?i:(?:bearer|basic)\s)?[^\s"',;&]+
    """,
    re.VERBOSE,
)


def mask(value: Any, *, name: str = "") -> Any:
    """`value` with secrets masked; a field with the name of a secret is masked whole."""
    if name and _SECRET_NAMES.search(name):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: mask(part, name=str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [mask(part) for part in value]
    return value


def mask_text(text: str) -> str:
    """`text` with everything masked that has the shape of a secret."""
    return _SECRET_TEXTS.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    return (match["name"] or "") + MASK
