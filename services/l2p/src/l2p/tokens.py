"""Access tokens for accounts of Learn2Play. Other services refuse them, by their issuer and audience.

The signing key is derived from the service's secret, so every replica has the same one and none is stored.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt
from jose.backends.base import Key

from webcommon.auth.bearer import ALGORITHM, TOKEN_TYPE, Issuer
from webcommon.keys import derive_key
from webcommon.signing import encode_base64url, hash_base64url

AUDIENCE = "l2p"

GUEST_SCOPE = "lobby:"
"""Begins the scope of a guest's token, which the id of the one lobby follows."""

GUEST_SECONDS = 12 * 3600
"""The lifetime of a guest's token."""

CLOCK_DIFFERENCE_SECONDS = 30
"""`nbf` is this long before `iat`, for replicas whose clocks differ."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_EXTRA_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A signed token, and its lifetime in seconds."""

    text: str = field(repr=False)
    expires_in: int


class TokenSigner:
    """Signs this service's tokens, and gives the key that verifies them."""

    def __init__(self, secret: str, *, issuer: str, lifetime: int) -> None:
        private = _derive_private_key(secret)
        self._private = jwk.construct(_to_pem(private), algorithm=ALGORITHM)
        self._public = self._private.public_key()
        self._kid = _thumbprint(private.public_key())
        self._lifetime = lifetime
        self.issuer = Issuer(issuer=issuer, audience=AUDIENCE, keys=self)

    async def find_key(self, kid: str) -> Key | None:
        """The one public key, if `kid` names it."""
        return self._public if kid == self._kid else None

    def sign(self, *, user_id: UUID, email: str, username: str) -> AccessToken:
        """A token for an account that has just signed in with its password."""
        own = {"email": email, "email_verified": False, "username": username, "roles": ["user"]}
        return self._sign(user_id, own, lifetime=self._lifetime)

    def sign_guest(self, *, user_id: UUID, lobby_id: UUID) -> AccessToken:
        """A token for a guest, good for this lobby only."""
        own = {"scope": f"{GUEST_SCOPE}{lobby_id}", "roles": ["guest"]}
        return self._sign(user_id, own, lifetime=GUEST_SECONDS)

    def _sign(self, user_id: UUID, own: dict[str, Any], *, lifetime: int) -> AccessToken:
        now = int(time.time())
        claims = {
            "iss": self.issuer.issuer,
            "sub": str(user_id),
            "aud": AUDIENCE,
            "client_id": AUDIENCE,
            "exp": now + lifetime,
            "iat": now,
            "nbf": now - CLOCK_DIFFERENCE_SECONDS,
            "jti": str(uuid4()),
            "sid": str(uuid4()),
            "auth_time": now,
            **own,
        }
        header = {"typ": TOKEN_TYPE, "kid": self._kid}
        text = jwt.encode(claims, self._private, algorithm=ALGORITHM, headers=header)
        return AccessToken(text=text, expires_in=lifetime)


def _derive_private_key(secret: str) -> ec.EllipticCurvePrivateKey:
    # FIPS 186-5, A.2.1: 64 bits more than the order has, so that the remainder is almost uniform.
    material = derive_key(secret, "l2p access tokens", length=32 + _EXTRA_BYTES)
    scalar = int.from_bytes(material, "big") % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def _to_pem(private: ec.EllipticCurvePrivateKey) -> str:
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _thumbprint(public: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638: the hash of the key's required members, in alphabetical order and without spaces."""
    numbers = public.public_numbers()
    members = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return hash_base64url(canonical)


def _coordinate(number: int) -> str:
    return encode_base64url(number.to_bytes(32, "big"))
