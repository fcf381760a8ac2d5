"""Lobby codes: short enough to be read out across a room."""

import re
import secrets

CODE_LENGTH = 6

CODE_ALPHABET = "CDFGHJKMNPQRTVWXY34679"
"""No two characters that look alike (0O, 1IL, 2Z, 5S, 8B, UV), and no vowels, so that no code is a word."""

_SEPARATORS = re.compile(r"[\s-]+")


def generate_code() -> str:
    """A random code, one of 113 million."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def normalize_code(text: str) -> str:
    """The stored form of a typed code: upper case, without spaces and hyphens."""
    return _SEPARATORS.sub("", text).upper()
