"""Verification of Google's ID tokens (OpenID Connect Core 1.0, section 3.1.3.7)."""

import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jose import jwt

from auth.google.keys import ALGORITHMS
from auth.google.provider import Endpoints, Provider, ProviderRefused, ProviderTokens, ProviderUnavailable
from auth.google.state import LIFETIME
from webcommon.accounts.credentials import normalize_email
from webcommon.auth.jwks import KeysUnavailable

CLOCK_TOLERANCE_SECONDS = 30
"""Tolerated difference between Google's clock and ours."""

_MAXIMUM_LENGTH = 16 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_SUBJECT = 255
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A Google account. `subject` never changes and is never reused; an address can be."""

    subject: str
    email: str | None = field(repr=False)
    email_verified: bool
    name: str | None = field(repr=False)


async def read_identity(
    tokens: ProviderTokens, *, nonce: str, provider: Provider, clock: Callable[[], float] = time.time
) -> Identity:
    """The identity in the ID token. Raises `ProviderRefused` unless the issuer signed it for this client and this sign-in, and
    `ProviderUnavailable` when the keys cannot be fetched."""
    key_id = _read_key_id(tokens.id_token)
    endpoints = await provider.discover()
    claims = await _verify(tokens, key_id=key_id, endpoints=endpoints, provider=provider)
    _check_party(claims, client_id=provider.client_id)
    _check_time(claims, now=clock())
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise ProviderRefused("ID token: nonce")
    return _read_claims(claims)


def _read_key_id(token: str) -> str:
    # The library's base64 decoder skips characters outside of its alphabet.
    if len(token) > _MAXIMUM_LENGTH or not _TOKEN.fullmatch(token):
        raise ProviderRefused("ID token: not three segments of base64url")
    try:
        header = jwt.get_unverified_header(token)
    except Exception:
        raise ProviderRefused("ID token: header") from None
    # `jwk`, `jku` and `x5u` are ignored: keys come only from the address in the discovery document.
    if header.get("alg") not in ALGORITHMS or "crit" in header or not isinstance(header.get("kid"), str):
        raise ProviderRefused("ID token: header")
    return str(header["kid"])


async def _verify(
    tokens: ProviderTokens, *, key_id: str, endpoints: Endpoints, provider: Provider
) -> Mapping[str, Any]:
    try:
        key = await endpoints.keys.find_key(key_id)
    except KeysUnavailable:
        raise ProviderUnavailable("the signing keys could not be fetched") from None
    if key is None:
        raise ProviderRefused("ID token: unknown key")
    try:
        claims: Mapping[str, Any] = jwt.decode(
            tokens.id_token,
            key,
            algorithms=list(ALGORITHMS),
            audience=provider.client_id,
            issuer=provider.issuer,
            access_token=tokens.access_token,
            options={"leeway": CLOCK_TOLERANCE_SECONDS}
            | {f"require_{name}": True for name in ("aud", "exp", "iat", "iss", "sub")},
        )
    # The library raises more than its own JWTError: RecursionError, JWKError, TypeError, UnicodeError.
    except Exception as error:
        raise ProviderRefused(f"ID token: {type(error).__name__}") from None
    return claims


def _check_party(claims: Mapping[str, Any], *, client_id: str) -> None:
    party, audience = claims.get("azp"), claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if (party is not None or several) and party != client_id:
        raise ProviderRefused("ID token: azp")


def _check_time(claims: Mapping[str, Any], *, now: float) -> None:
    # The library also accepts a digit string, a float or True as a time, and does not check `iat`.
    issued, expires = claims["iat"], claims["exp"]
    if type(issued) is not int or type(expires) is not int:
        raise ProviderRefused("ID token: times")
    oldest = now - LIFETIME.total_seconds() - CLOCK_TOLERANCE_SECONDS
    if not oldest <= issued <= now + CLOCK_TOLERANCE_SECONDS:
        raise ProviderRefused("ID token: iat")


def _read_claims(claims: Mapping[str, Any]) -> Identity:
    subject, name = claims["sub"], claims.get("name")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise ProviderRefused("ID token: sub")
    email = _read_email(claims.get("email"))
    return Identity(
        subject=subject,
        email=email,
        email_verified=email is not None and claims.get("email_verified") is True,
        name=name[:_LONGEST_NAME] if isinstance(name, str) else None,
    )


def _read_email(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return normalize_email(value)
    except ValueError:
        return None
