"""Recovery codes: for whoever has lost the app.

Stored as HMAC-SHA-256 under a key of the service. A slow hash is for passwords, which people think of; these are 60
random bits, and without the key, which is not in the database, a dump does not even let them be guessed at.
"""

import secrets
from uuid import UUID

from webcommon.signing import sign

COUNT = 10

CHARACTERS = 12

BITS = 5
"""Of each character."""

GROUP = 4

# Crockford's base 32: no letter that looks like a digit, and no U, which makes words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """A random code, as it is shown: three groups of four."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(CHARACTERS))
    return "-".join(text[start : start + GROUP] for start in range(0, CHARACTERS, GROUP))


def read_code(typed: str) -> str | None:
    """The characters of a code however it was typed: case, spaces, hyphens and look-alikes do not matter. None for what
    cannot be one."""
    text = "".join(typed.split()).replace("-", "").upper().translate(_READ_AS)
    return text if len(text) == CHARACTERS and set(text) <= set(_ALPHABET) else None


class RecoveryCodeHasher:
    """Makes what is stored of a code. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, characters: str, *, user_id: UUID) -> bytes:
        """The stored form of `read_code`'s characters. The same code of two accounts is not the same there."""
        return sign(user_id.bytes + characters.encode("ascii"), key=self._key)
