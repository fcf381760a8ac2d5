"""Refresh tokens: which session, which counter, and a signature that only this service can make.

The signature is derived (HMAC) from the session, the counter, and a hmac_key of the session, under a key derived from the
service's secret. So a token can be made again, which gives a caller whose answer was lost the same successor, though
nothing usable is stored: neither the database nor the secret alone is enough to make one.
"""

from dataclasses import dataclass, field
from uuid import UUID

from webcommon.signing import SIGNATURE_BYTES, decode_base64url, encode_base64url, is_signed, sign

PREFIX = "qrt1_"
"""Tells the version, and lets scanners for leaked secrets find one."""

_COUNTER_BYTES = 4
_LENGTH = 16 + _COUNTER_BYTES + SIGNATURE_BYTES


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
        return PREFIX + encode_base64url(body + sign(_message(body, hmac_key), key=self._key))

    def is_genuine(self, token: PresentedToken, *, hmac_key: bytes) -> bool:
        """Whether this service issued the token for the session that has this hmac_key."""
        body = token.session_id.bytes + token.counter.to_bytes(_COUNTER_BYTES, "big")
        return is_signed(token.signature, _message(body, hmac_key), key=self._key)


def _message(body: bytes, hmac_key: bytes) -> bytes:
    return PREFIX.encode() + body + hmac_key


def parse_token(text: str) -> PresentedToken | None:
    """The parts of a token; None for what cannot be one, other spellings of the same bytes included."""
    encoded = text.removeprefix(PREFIX)
    if encoded == text:
        return None
    try:
        raw = decode_base64url(encoded)
    except ValueError:
        return None
    if len(raw) != _LENGTH:
        return None
    return PresentedToken(
        session_id=UUID(bytes=raw[:16]),
        counter=int.from_bytes(raw[16 : 16 + _COUNTER_BYTES], "big"),
        signature=raw[-SIGNATURE_BYTES:],
    )
