"""Challenges of passkeys, signed instead of stored.

Anybody may request options to sign in, so storing each challenge would let anybody fill the table. A challenge is a random
number, its expiry, and an HMAC over both and over its purpose. Only the hash of a used one is stored, so that it is not
accepted twice.
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
    """Issues challenges and verifies them. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, *, registers: UUID | None) -> bytes:
        """A challenge to register a passkey of the account `registers`, or to sign in (None)."""
        expires_at = int(time.time() + LIFETIME.total_seconds())
        body = secrets.token_bytes(_RANDOM_BYTES) + _TIME.pack(expires_at)
        return body + sign(_purpose(registers) + body, key=self._key)

    def read(self, challenge: bytes, *, registers: UUID | None) -> datetime | None:
        """When the challenge expires; None if it has expired, or was not issued by this service for this purpose."""
        if len(challenge) != _LENGTH:
            return None
        body, signature = challenge[:-SIGNATURE_BYTES], challenge[-SIGNATURE_BYTES:]
        if not is_signed(signature, _purpose(registers) + body, key=self._key):
            return None
        (expires_at,) = _TIME.unpack(body[_RANDOM_BYTES:])
        return datetime.fromtimestamp(expires_at, UTC) if expires_at > time.time() else None


def _purpose(registers: UUID | None) -> bytes:
    return b"sign in" if registers is None else b"register" + registers.bytes


def hash_challenge(challenge: bytes) -> bytes:
    """The hash that is stored of a used challenge."""
    return hashlib.sha256(challenge).digest()
