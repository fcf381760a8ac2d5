"""The header `Stripe-Signature` (Stripe, "Verify webhook signatures manually")."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

TOLERANCE_SECONDS = 300
"""How far the time of a signature may be off, in either direction."""


def is_signed(body: bytes, header: str, secrets: Sequence[str], *, now: float) -> bool:
    """Whether one of the secrets signed the body within the tolerance. Every `v1` counts, and no other scheme."""
    times, marks = _parse(header)
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) < 16):
        return False
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    signed = times[0].encode() + b"." + body
    return any(
        hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode(), mark)
        for secret in secrets
        for mark in marks
    )


def _parse(header: str) -> tuple[list[str], list[bytes]]:
    fields = [field.strip().partition("=") for field in header.split(",")]
    return _values(fields, "t"), [mark.encode() for mark in _values(fields, "v1")]


def _values(fields: Iterable[tuple[str, str, str]], name: str) -> list[str]:
    return [value for key, _, value in fields if key == name]
