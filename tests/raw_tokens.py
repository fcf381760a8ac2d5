"""Tokens assembled byte by byte, where a library would refuse."""

import base64
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.tokens import KEY_ID, TokenMint

Signer = Callable[[bytes], bytes]

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256's group (SEC 2, section 2.4.2)."""

GOOD_HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": KEY_ID}


def malleated(token: str) -> str:
    """The token with the other valid signature (r, n - s), which anybody can compute.

    ECDSA does not say which of the two to use, so this is a token with the same claims: a token has to be identified by
    its `jti` or `sid`, never by its text.
    """
    signed, _, signature = token.rpartition(".")
    raw = decode(signature)
    flipped = ORDER - int.from_bytes(raw[32:], "big")
    return f"{signed}.{encode(raw[:32] + flipped.to_bytes(32, 'big'))}"


def sign_text(mint: TokenMint, *, header: bytes, payload: bytes) -> str:
    """A token of exactly these bytes with a valid ES256 signature of `mint`."""
    key = serialization.load_pem_private_key(mint.private_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return with_signature(header, payload, lambda signed: sign_ecdsa(key, signed, hashes.SHA256(), size=32))


def to_json(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def with_signature(header: bytes, payload: bytes, signer: Signer) -> str:
    """A token of these bytes, signed by `signer`."""
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(signer(signed.encode()))}"


def sign_ecdsa(
    key: ec.EllipticCurvePrivateKey, signed: bytes, digest: hashes.HashAlgorithm, *, size: int
) -> bytes:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
