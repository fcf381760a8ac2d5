"""ID tokens (OpenID Connect Core, section 2)."""

import hashlib
import time
from typing import Any

from auth.keys.service import Keyring
from auth.sessions.access_tokens import LIFETIME_SECONDS, Subject
from webcommon.signing import encode_base64url

ID_TOKEN_TYPE = "JWT"  # noqa: S105 - a media type; services refuse it as an access token

CLAIMS = {
    "profile": ("preferred_username", "updated_at"),
    "email": ("email", "email_verified"),
}
"""The claims of each scope, beside `sub`."""

CLAIMS_SUPPORTED = (
    *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"),
    *(name for names in CLAIMS.values() for name in names),
)
"""Every claim of an ID token or of userinfo."""


class IdTokenSigner:
    """Signs ID tokens with the keyring's active key, like access tokens."""

    def __init__(self, keyring: Keyring, *, issuer: str) -> None:
        self._keyring = keyring
        self._issuer = issuer

    async def sign(self, subject: Subject, *, access_token: str, nonce: str | None = None) -> str:
        """The ID token that is issued with an access token. Raises `KeysNotReady`."""
        signer = await self._keyring.choose_signer()
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": str(subject.user_id),
            "aud": subject.client_id,
            "exp": now + LIFETIME_SECONDS,
            "iat": now,
            "auth_time": int(subject.auth_time.timestamp()),
            "sid": str(subject.session_id),
            "at_hash": _half_hash(access_token),
            **_describe(subject),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return signer.sign(claims, token_type=ID_TOKEN_TYPE)


def _describe(subject: Subject) -> dict[str, Any]:
    known = {
        "preferred_username": subject.username,
        "email": subject.email,
        "email_verified": subject.email_verified,
    }
    return choose_claims(known, scope=subject.scope)


def choose_claims(known: dict[str, Any], *, scope: str) -> dict[str, Any]:
    """The claims that the scope includes."""
    included = {name for each in scope.split() for name in CLAIMS.get(each, ())}
    return {name: value for name, value in known.items() if name in included}


def _half_hash(text: str) -> str:
    half = hashlib.sha256(text.encode("ascii")).digest()[:16]
    return encode_base64url(half)
