"""Secrets of webhook endpoints, and the signature of a delivery, which is Stripe's scheme ("Verify webhook signatures
manually")."""

import secrets
from collections.abc import Iterable
from uuid import UUID

from webcommon.encryption import SecretVault
from webcommon.signing import encode_base64url, sign

SIGNATURE_HEADER = "Quartet-Signature"


def make_secret() -> str:
    """A new secret of 256 random bits."""
    return f"whsec_{encode_base64url(secrets.token_bytes(32))}"


def sign_delivery(body: bytes, *, at: int, keys: Iterable[str]) -> str:
    """The value of `Quartet-Signature` for a body sent `at` (seconds since 1970): a `v1` for each secret."""
    message = f"{at}.".encode() + body
    return ",".join([f"t={at}", *(f"v1={sign(message, key=key.encode()).hex()}" for key in keys)])


class EndpointSecrets:
    """Encrypts the secrets of endpoints. `key` has 32 bytes and no other use."""

    def __init__(self, key: bytes) -> None:
        self._vault = SecretVault(key)

    def encrypt(self, secret: str, *, endpoint_id: UUID) -> bytes:
        """The secret as it is stored, bound to its endpoint."""
        return self._vault.encrypt(secret.encode(), context=_context(endpoint_id))

    def decrypt(self, stored: bytes, *, endpoint_id: UUID) -> str:
        """Raises `webcommon.encryption.CannotDecrypt`."""
        return self._vault.decrypt(stored, context=_context(endpoint_id)).decode()


def _context(endpoint_id: UUID) -> str:
    return f"webhook endpoint {endpoint_id}"
