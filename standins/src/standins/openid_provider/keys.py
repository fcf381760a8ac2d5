"""Signing keys, made at the start and kept in memory."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jws
from jose.backends.base import Key

from standins.openid_provider.faults import Fault


@dataclass(frozen=True)
class SigningKey:
    """An RSA key pair and its id."""

    kid: str
    signer: Key = field(repr=False)
    public_pem: bytes = field(repr=False)
    document: dict[str, Any]


def make_key() -> SigningKey:
    """A new key of 2048 bits."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = private.public_key().public_numbers()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kid = secrets.token_hex(8)
    return SigningKey(
        kid=kid,
        signer=jwk.construct(pem.decode(), algorithm="RS256"),
        public_pem=private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        document={
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": kid,
            "n": _encode_number(numbers.n),
            "e": _encode_number(numbers.e),
        },
    )


class SigningKeys:
    """The published keys. The last one signs."""

    def __init__(self) -> None:
        self._keys = [make_key()]
        self._unpublished = make_key()

    def rotate(self, *, keep_old: bool = True) -> None:
        """Sign with a new key from now on. `keep_old`: whether the old ones stay published."""
        self._keys = [*(self._keys if keep_old else []), make_key()]

    def publish(self) -> dict[str, Any]:
        """The JWKS document."""
        return {"keys": [key.document for key in self._keys]}

    def sign(self, claims: dict[str, Any], *, faults: set[Fault], client_secret: str) -> str:
        """A signed token, with the signature faults among `faults`."""
        key = self._keys[-1]
        if Fault.NO_SIGNATURE in faults:
            return f"{_segment({'alg': 'none', 'kid': key.kid})}.{_segment(claims)}."
        if Fault.SIGNED_WITH_PUBLIC_KEY in faults:
            return _sign_by_hash(claims, kid=key.kid, secret=key.public_pem)
        if Fault.SIGNED_WITH_CLIENT_SECRET in faults:
            return _sign_by_hash(claims, kid=key.kid, secret=client_secret.encode())
        kid = key.kid
        if Fault.UNKNOWN_KEY in faults:
            key = self._unpublished
            kid = key.kid
        if Fault.WRONG_SIGNATURE in faults:
            key = self._unpublished
        return jws.sign(claims, key.signer, headers={"kid": kid}, algorithm="RS256")


def _sign_by_hash(claims: dict[str, Any], *, kid: str, secret: bytes) -> str:
    # By hand: the library refuses a public key as a secret.
    signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{_segment(claims)}"
    return f"{signed}.{_encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _segment(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
