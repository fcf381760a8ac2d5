"""How a page names a row in its URLs."""

import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webcommon.signing import decode_base64url, encode_base64url

_NONCE_BYTES = 12


class RowKeys:
    """Seals primary keys, since some are hashes of tokens, with a key that lives as long as the process."""

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(bit_length=128))

    def seal(self, table: str, parts: Sequence[str]) -> str:
        """What stands in a URL for the row of `table` with this key."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(list(parts)).encode(), table.encode())
        return encode_base64url(nonce + sealed)

    def open(self, table: str, text: str) -> list[str] | None:
        """The parts of the key; None for what `seal` did not give for this table."""
        try:
            raw = decode_base64url(text)
            found = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], table.encode())
        except (ValueError, InvalidTag):
            return None
        parts: list[str] = json.loads(found)
        return parts
