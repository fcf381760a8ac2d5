"""Names that people give: of lobbies and of question sets. Needs the standard library alone."""

import re

_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Soft hyphens, zero-width characters, marks and turns of direction, byte order marks: names that differ only by them
look the same."""


def clean_name(name: str) -> str:
    """The name without characters that nobody sees, trimmed; empty when nothing else is left."""
    return _UNSEEN.sub("", name).strip()


def require_name(name: str) -> str:
    """The name as `clean_name` gives it. Raises `ValueError` when it is empty."""
    cleaned = clean_name(name)
    if not cleaned:
        raise ValueError("is blank")
    return cleaned
