"""Usernames for accounts that are made by a sign-in with Google."""

import re
import secrets
import unicodedata
from collections.abc import Iterator

_LONGEST = 32
_SHORTEST = 3
_OTHERS = re.compile(r"[^A-Za-z0-9_-]+")
_NUMBERED = 4


def suggest_usernames(*, name: str | None, email: str) -> Iterator[str]:
    """Usernames to try in turn, made of the name, else of the address. The last one is random."""
    base = _simplify(name or "") or _simplify(email.partition("@")[0]) or "user"
    if len(base) >= _SHORTEST:
        yield base
    for _ in range(_NUMBERED):
        yield f"{base[: _LONGEST - 5]}-{1000 + secrets.randbelow(9000)}"
    yield f"user-{secrets.token_hex(8)}"


def _simplify(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _OTHERS.sub(".", plain).strip(".")[:_LONGEST].strip(".").lower()
