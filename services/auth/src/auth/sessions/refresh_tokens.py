"""Refresh tokens: a session's id, a counter, and a signature that only this service can make.

The signature is an HMAC over the id, the counter and a random key of the session, under a key derived from the service's
secret. So the same token can be made again, for a caller who lost the response, although no usable token is stored: neither
the database nor the secret alone is enough to make one.
"""

from dataclasses import dataclass, field
from uuid import UUID

from webcommon.signing import SIGNATURE_BYTES, decode_base64url, encode_base64url, is_signed, sign

PREFIX = "qrt1_"
"""Names the version, and lets scanners for leaked secrets find a token."""

_COUNTER_BYTES = 4
_LENGTH = 16 + _COUNTER_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True, kw_only=True)
class PresentedToken:
    """The parts of a token, not verified before `RefreshTokenCodec.is_genuine`."""

    session_id: UUID
    counter: int
    signature: bytes = field(repr=False)


class RefreshTokenCodec:
    """Issues refresh tokens and verifies their signatures. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, session_id: UUID, *, counter: int, hmac_key: bytes) -> str:
        """The token of a session for this counter, always the same one."""
        signature = sign(_message(session_id, counter, hmac_key), key=self._key)
        return PREFIX + encode_base64url(_body(session_id, counter) + signature)

    def is_genuine(self, token: PresentedToken, *, hmac_key: bytes) -> bool:
        """Whether this service issued the token for the session that has this key."""
        message = _message(token.session_id, token.counter, hmac_key)
        return is_signed(token.signature, message, key=self._key)


def parse_token(text: str) -> PresentedToken | None:
    """The parts of a token; None for any other text, another spelling of the same bytes included."""
    encoded = text.removeprefix(PREFIX)
    try:
        raw = decode_base64url(encoded)
    except ValueError:
        return None
    if encoded == text or len(raw) != _LENGTH:
        return None
    return PresentedToken(
        session_id=UUID(bytes=raw[:16]),
        counter=int.from_bytes(raw[16 : 16 + _COUNTER_BYTES], "big"),
        signature=raw[-SIGNATURE_BYTES:],
    )


def _body(session_id: UUID, counter: int) -> bytes:
    return session_id.bytes + counter.to_bytes(_COUNTER_BYTES, "big")


def _message(session_id: UUID, counter: int, hmac_key: bytes) -> bytes:
    return PREFIX.encode() + _body(session_id, counter) + hmac_key
