"""Secrets at rest, such as signing keys: AES-GCM under a key derived from the service's secret, bound to a context."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The ciphertext is of another key or context, or was altered."""


class SecretVault:
    """Encrypts and decrypts secrets. `key` has 32 bytes. `context` is the associated data, such as the id of a signing key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, secret: bytes, *, context: str) -> bytes:
        """A random nonce, followed by the ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def decrypt(self, stored: bytes, *, context: str) -> bytes:
        """The secret. Raises `CannotDecrypt`, also if it was encrypted with another `context`."""
        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise CannotDecrypt(context) from None
