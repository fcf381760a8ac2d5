"""Tokens of links in mails: 256 bits, derived from the mail, so that the outbox holds no usable token.

Every attempt to send a mail carries the same link. The database keeps a random seed until the mail is sent, and the service
has the key; a token takes both. Only its hash is stored.
"""

import base64
import hashlib
import hmac
from uuid import UUID

SEED_BYTES = 32


class LinkTokenCodec:
    """Derives tokens. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, mail_id: UUID, *, seed: bytes) -> str:
        """The token of a mail: always the same 43 characters, which encode 256 bits."""
        mac = hmac.digest(self._key, b"link" + mail_id.bytes + seed, hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    def cooldown_key(self, kind: str, address: str) -> bytes:
        """The key of a cooldown, from which the address cannot be read."""
        return hmac.digest(self._key, f"cooldown {kind} {address.lower()}".encode(), hashlib.sha256)


def hash_link_token(token: str) -> str:
    """The stored hash of a token. One round of SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
