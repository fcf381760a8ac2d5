"""Recognised devices: a cookie that records which accounts have signed in on this device. Only this service can read it.

Strangers' guesses fill the account's counter. The owner's device has a counter of its own, so strangers cannot lock it
out.
"""

import re
import secrets

from webcommon.signing import decode_base64url, encode_base64url, is_signed, sign

LIFETIME_SECONDS = 365 * 24 * 3600
REMEMBERED_ACCOUNTS = 5
"""How many accounts a device remembers, for one that a family shares; the least recently used is forgotten first."""

_ID_BYTES = 16
_ENTRY_LENGTH = 64
_ENTRY = re.compile(rf"[A-Za-z0-9_-]{{{_ENTRY_LENGTH}}}")
_LONGEST_COOKIE = REMEMBERED_ACCOUNTS * (_ENTRY_LENGTH + 1)


def cookie_name(service: str, *, is_secure: bool) -> str:
    """The name of the cookie. Each service has its own, since services on one host share cookies whatever their ports.
    With https no other host can set it (`__Host-`)."""
    return f"__Host-{service}_device" if is_secure else f"{service}_device"


class DeviceCookies:
    """Writes and reads the cookie: entries of a random id and a signature (HMAC) for one account, the newest first."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def find(self, cookie: str | None, device_binding: bytes) -> str | None:
        """The device's id for this account; None when the account has not signed in here."""
        found = None
        for entry in _split(cookie):
            identifier = self._read(entry, device_binding)
            found = found or identifier
        return found

    def remember(self, cookie: str | None, device_binding: bytes) -> str:
        """The cookie after a sign-in. A recognised device keeps its id, so frequent sign-ins create no further counters."""
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
