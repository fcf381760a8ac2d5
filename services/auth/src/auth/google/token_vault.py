"""Encryption of Google's tokens in the database. Each is bound to its Google account."""

import base64

from auth.google.repository import PROVIDER
from webcommon.encryption import CannotDecrypt, SecretVault


class TokenVault:
    """Encrypts and decrypts tokens of the provider. `key` has 32 bytes and no other use."""

    def __init__(self, key: bytes) -> None:
        self._vault = SecretVault(key)

    def encrypt(self, token: str, *, subject: str) -> str:
        """The token as it is stored."""
        sealed = self._vault.encrypt(token.encode(), context=f"{PROVIDER} {subject}")
        return base64.b64encode(sealed).decode("ascii")

    def decrypt(self, stored: str, *, subject: str) -> str | None:
        """The token; None when it was encrypted with another key or for another account."""
        try:
            return self._vault.decrypt(base64.b64decode(stored), context=f"{PROVIDER} {subject}").decode()
        except (CannotDecrypt, ValueError):
            return None
