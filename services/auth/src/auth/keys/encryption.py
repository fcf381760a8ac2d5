"""Signing keys at rest: AES-GCM under a key derived from the service's secret, bound to the key's id."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The ciphertext is of another secret or id, or was altered."""


class KeyVault:
    """Encrypts and decrypts private keys and other secrets. `key` has 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, private_key: bytes, *, kid: str) -> bytes:
        """A random nonce, followed by the ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, private_key, kid.encode())

    def decrypt(self, stored: bytes, *, kid: str) -> bytes:
        """The private key. Raises `CannotDecrypt`, also if it belongs to another `kid`."""
        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], kid.encode())
        except (InvalidTag, ValueError):
            raise CannotDecrypt(kid) from None
