"""One secret a service, and from it one key a purpose (HKDF, RFC 5869), so that no key serves two ends."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MINIMUM_SECRET_LENGTH = 32
"""Characters."""


def derive_key(secret: str, purpose: str, *, length: int = 32) -> bytes:
    """`length` bytes for `purpose`; the same on every replica that has the same secret."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=f"quartet {purpose}".encode())
    return hkdf.derive(secret.encode())
