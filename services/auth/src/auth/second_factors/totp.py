"""Codes of authenticator apps (RFC 6238): the HMAC-SHA-1 of the count of 30-second steps since 1970, as six digits."""

import base64
import hmac
import secrets
import struct
import time
from urllib.parse import quote, urlencode

SECRET_BYTES = 20
"""160 bits, as RFC 4226 recommends (section 4)."""

DIGITS = 6
STEP_SECONDS = 30

DRIFT_STEPS = 1
"""Codes of so many steps earlier or later are accepted: clocks differ, and typing takes time (RFC 6238, section 5.2)."""


def new_secret() -> bytes:
    """A random secret."""
    return secrets.token_bytes(SECRET_BYTES)


def encode_secret(secret: bytes) -> str:
    """The secret in base32, as people type it; 20 bytes need no padding."""
    return base64.b32encode(secret).decode("ascii")


def describe_secret(secret: bytes, *, account: str, issuer: str) -> str:
    """The `otpauth` URI that an app reads from a QR code. It names the default parameters too."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    parameters = {
        "secret": encode_secret(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"


def make_code(secret: bytes, *, step: int) -> str:
    """The code of one step."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 0x0F)
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def find_step(secret: bytes, code: str, *, at: float | None = None) -> int | None:
    """The latest step within `DRIFT_STEPS` of `at` (seconds since 1970, by default now) that has this code, or None."""
    current = int(time.time() if at is None else at) // STEP_SECONDS
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(make_code(secret, step=step), code):
            found = step
    return found
