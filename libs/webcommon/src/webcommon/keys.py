"""Each service has one secret and derives a key from it for each purpose (HKDF, RFC 5869)."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MINIMUM_SECRET_LENGTH = 32
"""Characters."""


def derive_key(secret: str, purpose: str, *, length: int = 32) -> bytes:
    """A key of `length` bytes for `purpose`; the same on every replica with the same secret."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=f"quartet {purpose}".encode())
    return hkdf.derive(secret.encode())
