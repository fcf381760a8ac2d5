"""Refresh tokens: which session, which counter, and a signature that only this service can make.

The signature is derived (HMAC) from the session, the counter, and a hmac_key of the session, under a key derived from the
service's secret. So a token can be made again, which gives a caller whose answer was lost the same successor, though
nothing usable is stored: neither the database nor the secret alone is enough to make one.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID

PREFIX = "qrt1_"
"""Tells the version, and lets scanners for leaked secrets find one."""

_COUNTER_BYTES = 4
_SIGNATURE_BYTES = 32
_LENGTH = 16 + _COUNTER_BYTES + _SIGNATURE_BYTES


@dataclass(frozen=True, kw_only=True)
class PresentedToken:
    """What a token claims. Nothing of it is proven before `RefreshTokenCodec.is_genuine`."""

    session_id: UUID
    counter: int
    signature: bytes = field(repr=False)


class RefreshTokenCodec:
    """Writes refresh tokens and tells genuine ones. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, session_id: UUID, *, counter: int, hmac_key: bytes) -> str:
        """The token of one counter of a session; always the same one."""
        body = session_id.bytes + counter.to_bytes(_COUNTER_BYTES, "big")
        return PREFIX + _encode(body + self._sign(body, hmac_key))

    def is_genuine(self, token: PresentedToken, *, hmac_key: bytes) -> bool:
        """Whether this service issued the token for the session that has this hmac_key."""
        body = token.session_id.bytes + token.counter.to_bytes(_COUNTER_BYTES, "big")
        return hmac.compare_digest(token.signature, self._sign(body, hmac_key))

    def _sign(self, body: bytes, hmac_key: bytes) -> bytes:
        return hmac.digest(self._key, PREFIX.encode() + body + hmac_key, hashlib.sha256)


def parse_token(text: str) -> PresentedToken | None:
    """The parts of a token; None for what cannot be one, other spellings of the same bytes included."""
    encoded = text.removeprefix(PREFIX)
    if encoded == text or not encoded.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _LENGTH or _encode(raw) != encoded:
        return None
    return PresentedToken(
        session_id=UUID(bytes=raw[:16]),
        counter=int.from_bytes(raw[16 : 16 + _COUNTER_BYTES], "big"),
        signature=raw[-_SIGNATURE_BYTES:],
    )


def hash_token(text: str) -> str:
    """What is stored of a token. It has 256 bits of its own, so one round of SHA-256 is enough."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
