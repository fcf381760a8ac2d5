"""Tokens of links in mails: 256 bits, derived from the mail, so that the outbox holds no usable token.

Every attempt to send a mail carries the same link. The database keeps a random seed until the mail is sent, and the service
has the key; a token takes both. Only its hash is stored.
"""

from uuid import UUID

from webcommon.signing import encode_base64url, sign

SEED_BYTES = 32


class LinkTokenCodec:
    """Derives tokens. `key` is the same on every replica."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, mail_id: UUID, *, seed: bytes) -> str:
        """The token of a mail: always the same 43 characters, which encode 256 bits."""
        return encode_base64url(sign(b"link" + mail_id.bytes + seed, key=self._key))

    def cooldown_key(self, kind: str, address: str) -> bytes:
        """The key of a cooldown, from which the address cannot be read."""
        return sign(f"cooldown {kind} {address.lower()}".encode(), key=self._key)
