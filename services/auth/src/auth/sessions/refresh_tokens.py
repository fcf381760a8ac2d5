"""Refresh tokens: which session, which generation, and a proof that only this service can make.

The proof is derived (HMAC) from the session, the generation, and a seed of the session, under a key derived from the
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

_GENERATION_BYTES = 4
_PROOF_BYTES = 32
_LENGTH = 16 + _GENERATION_BYTES + _PROOF_BYTES


@dataclass(frozen=True, kw_only=True)
class PresentedToken:
    """What a token claims. Nothing of it is proven before `RefreshTokenCodec.is_genuine`."""

    session_id: UUID
    generation: int
    proof: bytes = field(repr=False)


class RefreshTokenCodec:
    """Writes refresh tokens and tells genuine ones. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, session_id: UUID, *, generation: int, seed: bytes) -> str:
        """The token of one generation of a session; always the same one."""
        body = session_id.bytes + generation.to_bytes(_GENERATION_BYTES, "big")
        return PREFIX + _encode(body + self._prove(body, seed))

    def is_genuine(self, token: PresentedToken, *, seed: bytes) -> bool:
        """Whether this service issued the token for the session that has this seed."""
        body = token.session_id.bytes + token.generation.to_bytes(_GENERATION_BYTES, "big")
        return hmac.compare_digest(token.proof, self._prove(body, seed))

    def _prove(self, body: bytes, seed: bytes) -> bytes:
        return hmac.digest(self._key, PREFIX.encode() + body + seed, hashlib.sha256)


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
        generation=int.from_bytes(raw[16 : 16 + _GENERATION_BYTES], "big"),
        proof=raw[-_PROOF_BYTES:],
    )


def hash_token(text: str) -> str:
    """What is stored of a token. It has 256 bits of its own, so one round of SHA-256 is enough."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
