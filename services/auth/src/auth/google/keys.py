"""Google's public keys, from its JWKS document."""

import logging
from typing import Any

from jose import jwk
from jose.backends.base import Key

from webcommon.signing import decode_base64url

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256")

_MAXIMUM_KEYS = 100
_MINIMUM_MODULUS_BYTES = 256
_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


def build_provider_keys(document: Any) -> dict[str, Key]:
    """The usable keys of a JWKS document by id: RSA of at least 2048 bits, and P-256."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str, Key] = {}
    for entry in entries[:_MAXIMUM_KEYS] if isinstance(entries, list) else []:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if isinstance(kid, str) and (key := _build_key(entry)) is not None:
            keys[kid] = key
    return keys


def _build_key(entry: dict[str, Any]) -> Key | None:
    kind = entry.get("kty")
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(kind) if isinstance(kind, str) else None
    if algorithm is None or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    if (kind == "EC" and entry.get("crv") != "P-256") or (kind == "RSA" and _is_short(entry.get("n"))):
        return None
    try:
        # Only the public members: an entry with private ones must not become a signing key.
        return jwk.construct({name: entry[name] for name in _MEMBERS[str(kind)]}, algorithm=algorithm)
    # Each library underneath has its own exceptions for invalid numbers.
    except Exception:
        logger.warning("a key of the provider's JWKS document cannot be used")
        return None


def _is_short(modulus: Any) -> bool:
    try:
        raw = decode_base64url(modulus)
    except (TypeError, ValueError):
        return True
    return len(raw.lstrip(b"\x00")) < _MINIMUM_MODULUS_BYTES
