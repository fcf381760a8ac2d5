"""Making a P-256 key pair, and writing its parts down."""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk
from jose.backends.base import Key

from webcommon.bearer import ALGORITHM


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A new signing key: its id, its public JWK, and the private key in PKCS #8 (PEM)."""

    kid: str
    public_jwk: dict[str, str]
    private_key: bytes = field(repr=False)


def make_key_pair() -> KeyPair:
    """A fresh key, named by its thumbprint."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    numbers = private.public_key().public_numbers()
    point = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    kid = thumbprint(point)
    return KeyPair(kid=kid, public_jwk={**point, "use": "sig", "alg": ALGORITHM, "kid": kid}, private_key=pem)


def thumbprint(point: dict[str, str]) -> str:
    """The JWK thumbprint (RFC 7638) of an elliptic curve key: the members `crv`, `kty`, `x`, `y` and no other."""
    canonical = json.dumps(point, sort_keys=True, separators=(",", ":")).encode()
    return _encode(hashlib.sha256(canonical).digest())


def load_signer(private_key: bytes) -> Key:
    """The key ready to sign with, so that it is not parsed anew for each token."""
    return jwk.construct(private_key.decode("ascii"), algorithm=ALGORITHM)


def _coordinate(number: int) -> str:
    return _encode(number.to_bytes(32, "big"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
