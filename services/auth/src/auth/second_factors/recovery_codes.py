"""Recovery codes, for users who lost their app.

Stored as HMAC-SHA-256 under a key of the service. They need no slow hash, since they have 60 random bits, and the key is not
in the database, so a dump of it allows no guesses.
"""

import secrets
from uuid import UUID

from webcommon.signing import sign

COUNT = 10

CHARACTERS = 12

BITS = 5
"""Random bits of each character."""

GROUP = 4

# Crockford's base 32: no letter that looks like a digit, and no U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """A random code as it is shown, in three groups of four."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(CHARACTERS))
    return "-".join(text[start : start + GROUP] for start in range(0, CHARACTERS, GROUP))


def parse_recovery_code(typed: str) -> str | None:
    """The characters of a typed code. Case, spaces, hyphens and look-alike characters do not matter. None for any other
    text."""
    text = "".join(typed.split()).replace("-", "").upper().translate(_READ_AS)
    return text if len(text) == CHARACTERS and set(text) <= set(_ALPHABET) else None


class RecoveryCodeHasher:
    """Hashes codes for storing. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, characters: str, *, user_id: UUID) -> bytes:
        """The hash of what `parse_recovery_code` gave; equal codes of two accounts have different hashes."""
        return sign(user_id.bytes + characters.encode("ascii"), key=self._key)
