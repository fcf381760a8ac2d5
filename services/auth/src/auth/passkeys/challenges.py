"""Challenges of passkeys: they carry their own proof and end, so that asking for one stores nothing.

Anybody may ask for options to sign in with. Were each challenge a row, that would be a way to fill the table; so a
challenge is a random number, a time and an HMAC over both and over what it is for. Only one that was answered rightly is
written down, by its hash, and is not taken again.
"""

import hashlib
import hmac
import secrets
import struct
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

LIFETIME = timedelta(minutes=5)

_RANDOM_BYTES = 32
_TIME = struct.Struct(">Q")
_PROOF_BYTES = 32
_LENGTH = _RANDOM_BYTES + _TIME.size + _PROOF_BYTES


class ChallengeCodec:
    """Makes challenges and knows its own. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, *, registers: UUID | None) -> bytes:
        """A challenge to register a passkey of that account with, or, for None, to sign in with."""
        ends_at = int(time.time() + LIFETIME.total_seconds())
        body = secrets.token_bytes(_RANDOM_BYTES) + _TIME.pack(ends_at)
        return body + self._prove(body, registers=registers)

    def read(self, challenge: bytes, *, registers: UUID | None) -> datetime | None:
        """When the challenge ends; None for one that has ended, is for something else, or is not ours."""
        if len(challenge) != _LENGTH:
            return None
        body, proof = challenge[:-_PROOF_BYTES], challenge[-_PROOF_BYTES:]
        if not hmac.compare_digest(proof, self._prove(body, registers=registers)):
            return None
        (ends_at,) = _TIME.unpack(body[_RANDOM_BYTES:])
        return datetime.fromtimestamp(ends_at, UTC) if ends_at > time.time() else None

    def _prove(self, body: bytes, *, registers: UUID | None) -> bytes:
        purpose = b"sign in" if registers is None else b"register" + registers.bytes
        return hmac.digest(self._key, purpose + body, hashlib.sha256)


def hash_challenge(challenge: bytes) -> bytes:
    """What is stored of a challenge that was answered."""
    return hashlib.sha256(challenge).digest()
