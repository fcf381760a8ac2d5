"""Access tokens (RFC 9068): the account, its session and its roles, valid for fifteen minutes."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from auth.keys.service import Keyring
from webcommon.auth.bearer import TOKEN_TYPE

LIFETIME_SECONDS = 15 * 60

CLOCK_TOLERANCE_SECONDS = 30
"""`nbf` is this far in the past, so that a service whose clock is behind accepts a fresh token."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The account and the session that a token is about."""

    user_id: UUID
    session_id: UUID
    client_id: str
    auth_time: datetime
    email: str
    email_verified: bool
    username: str
    roles: list[str]
    scope: str


class AccessTokenSigner:
    """Signs access tokens with the keyring's active key."""

    def __init__(self, keyring: Keyring, *, issuer: str, audience: str) -> None:
        self._keyring = keyring
        self._issuer = issuer
        self._audience = audience

    async def ensure_ready(self) -> None:
        """Raise `KeysNotReady` unless `sign` can sign; call it before anything is written."""
        await self._keyring.choose_signer()

    async def sign(self, subject: Subject) -> str:
        """A token that is valid for `LIFETIME_SECONDS`. Raises `KeysNotReady`."""
        signer = await self._keyring.choose_signer()
        return signer.sign(self._claims(subject, now=int(time.time())), token_type=TOKEN_TYPE)

    def _claims(self, subject: Subject, *, now: int) -> dict[str, Any]:
        return {
            "iss": self._issuer,
            "sub": str(subject.user_id),
            "aud": self._audience,
            "client_id": subject.client_id,
            "scope": subject.scope,
            "exp": now + LIFETIME_SECONDS,
            "iat": now,
            "nbf": now - CLOCK_TOLERANCE_SECONDS,
            "jti": str(uuid4()),
            "sid": str(subject.session_id),
            "auth_time": int(subject.auth_time.timestamp()),
            "email": subject.email,
            "email_verified": subject.email_verified,
            "username": subject.username,
            "roles": subject.roles,
        }
