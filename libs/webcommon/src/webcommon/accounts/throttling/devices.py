"""Known devices: a cookie that says "somebody signed in to this account here", for nobody but this service to read.

Guesses of strangers fill the account's counter; the owner's own device is counted apart, so they cannot lock it out.
"""

import re
import secrets

from webcommon.signing import decode_base64url, encode_base64url, is_signed, sign

LIFETIME_SECONDS = 365 * 24 * 3600
REMEMBERED_ACCOUNTS = 5
"""A device that a family shares; the account that was used longest ago is forgotten first."""

_ID_BYTES = 16
_ENTRY_LENGTH = 64
_ENTRY = re.compile(rf"[A-Za-z0-9_-]{{{_ENTRY_LENGTH}}}")
_LONGEST_COOKIE = REMEMBERED_ACCOUNTS * (_ENTRY_LENGTH + 1)


def cookie_name(service: str, *, is_secure: bool) -> str:
    """Of each service its own: on one host they would overwrite each other's, whatever their ports. With https no
    neighbouring host can set it."""
    return f"__Host-{service}_device" if is_secure else f"{service}_device"


class DeviceCookies:
    """Writes and reads the cookie: entries of a random id and a proof (HMAC) for one account, the newest first.

    `device_binding` is the account's, and another one when what was proven at a device does not open it any more. Two accounts'
    entries have nothing in common and nothing personal in them. `key` is the same on every replica.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def find(self, cookie: str | None, device_binding: bytes) -> str | None:
        """The id by which this device is known to the account, None when it is not."""
        found = None
        for entry in _split(cookie):
            identifier = self._read(entry, device_binding)
            found = found or identifier
        return found

    def remember(self, cookie: str | None, device_binding: bytes) -> str:
        """The cookie after a sign-in. A known device keeps its id: signing in often makes no further counters."""
        known = next((entry for entry in _split(cookie) if self._read(entry, device_binding)), None)
        others = [entry for entry in _split(cookie) if entry != known]
        return ".".join([known or self._issue(device_binding), *others][:REMEMBERED_ACCOUNTS])

    def _issue(self, device_binding: bytes) -> str:
        identifier = secrets.token_bytes(_ID_BYTES)
        message = _message(identifier, device_binding)
        return encode_base64url(identifier + sign(message, key=self._key))

    def _read(self, entry: str, device_binding: bytes) -> str | None:
        raw = decode_base64url(entry)
        identifier, signature = raw[:_ID_BYTES], raw[_ID_BYTES:]
        return (
            identifier.hex()
            if is_signed(signature, _message(identifier, device_binding), key=self._key)
            else None
        )


def _message(identifier: bytes, device_binding: bytes) -> bytes:
    return b"device 2" + identifier + device_binding


def _split(cookie: str | None) -> list[str]:
    if not cookie or len(cookie) > _LONGEST_COOKIE:
        return []
    return [entry for entry in cookie.split(".") if _ENTRY.fullmatch(entry)]
