"""Challenges of passkeys: they carry their own signature and end, so that asking for one stores nothing.

Anybody may ask for options to sign in with. Were each challenge a row, that would be a way to fill the table; so a
challenge is a random number, a time and an HMAC over both and over what it is for. Only one that was answered rightly is
written down, by its hash, and is not taken again.
"""

import hashlib
import secrets
import struct
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from webcommon.signing import SIGNATURE_BYTES, is_signed, sign

LIFETIME = timedelta(minutes=5)

_RANDOM_BYTES = 32
_TIME = struct.Struct(">Q")
_LENGTH = _RANDOM_BYTES + _TIME.size + SIGNATURE_BYTES


class ChallengeCodec:
    """Makes challenges and knows its own. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, *, registers: UUID | None) -> bytes:
        """A challenge to register a passkey of that account with, or, for None, to sign in with."""
        ends_at = int(time.time() + LIFETIME.total_seconds())
        body = secrets.token_bytes(_RANDOM_BYTES) + _TIME.pack(ends_at)
        return body + sign(_message(body, registers=registers), key=self._key)

    def read(self, challenge: bytes, *, registers: UUID | None) -> datetime | None:
        """When the challenge ends; None for one that has ended, is for something else, or is not ours."""
        if len(challenge) != _LENGTH:
            return None
        body, signature = challenge[:-SIGNATURE_BYTES], challenge[-SIGNATURE_BYTES:]
        if not is_signed(signature, _message(body, registers=registers), key=self._key):
            return None
        (ends_at,) = _TIME.unpack(body[_RANDOM_BYTES:])
        return datetime.fromtimestamp(ends_at, UTC) if ends_at > time.time() else None


def _message(body: bytes, *, registers: UUID | None) -> bytes:
    purpose = b"sign in" if registers is None else b"register" + registers.bytes
    return purpose + body


def hash_challenge(challenge: bytes) -> bytes:
    """What is stored of a challenge that was answered."""
    return hashlib.sha256(challenge).digest()
