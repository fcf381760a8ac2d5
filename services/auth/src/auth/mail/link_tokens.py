"""Tokens of links in mails: 256 bits, derived from the mail, so that the outbox holds nothing that could be used.

A mail that has to be tried again carries the same link each time. The database has a random seed until the mail is sent,
the service has the key: neither alone is enough to make a token, and of the token itself only a hash is stored.
"""

import base64
import hashlib
import hmac
from uuid import UUID

SEED_BYTES = 32


class LinkTokenCodec:
    """Makes the token of a mail, always the same one. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, mail_id: UUID, *, seed: bytes) -> str:
        """43 characters that stand for 256 bits."""
        proof = hmac.digest(self._key, b"link" + mail_id.bytes + seed, hashlib.sha256)
        return base64.urlsafe_b64encode(proof).rstrip(b"=").decode("ascii")

    def gate_key(self, kind: str, address: str) -> bytes:
        """What stands for an address and a kind of mail in the gate: an address cannot be read from it."""
        return hmac.digest(self._key, f"gate {kind} {address.lower()}".encode(), hashlib.sha256)


def hash_link_token(token: str) -> str:
    """What is stored of a token. It has 256 bits of its own, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
