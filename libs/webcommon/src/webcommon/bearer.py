"""The one strict verifier of access tokens (RFC 9068, RFC 8725), and the dependency that asks for a caller.

The JOSE library left to itself accepts a token without `aud` or `exp`, with an unknown `crit`, of any `typ`. So the
header is checked before the library sees the token, every claim is demanded, and any failure is the same 401.
"""

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase
from jose import jwt

from webcommon.jwks import KeySource, KeysUnavailable
from webcommon.problems import Forbidden, ServiceUnavailable, Unauthorized

ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068's media type
MAXIMUM_LENGTH = 8192
"""Characters. A longer token is refused unread."""

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_NAMES = frozenset({"alg", "typ", "kid"})
_MAXIMUM_HEADER = 512
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who is calling, as the access token says it. Times are Unix seconds."""

    id: UUID
    session_id: UUID
    email: str | None
    email_verified: bool
    username: str | None
    roles: frozenset[str]
    authenticated_at: int
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """One party whose tokens are accepted, and where its keys are."""

    issuer: str
    audience: str
    keys: KeySource


class TokenRefused(Exception):
    """The token is not acceptable. The text is for the log, never for the caller."""


class AuthUnavailable(ServiceUnavailable):
    """503: the token cannot be checked because no signing key could be fetched yet."""

    title = "Tokens cannot be checked for the moment"
    slug = "auth-unavailable"


class TokenVerifier:
    """Verifies access tokens of the given issuers, and remembers those that it verified by their hash until they expire."""

    def __init__(self, *issuers: Issuer) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._remembered: dict[bytes, Caller] = {}

    async def verify(self, token: str) -> Caller:
        """The caller that `token` names. Raises `TokenRefused`, or `KeysUnavailable` when it cannot be checked now."""
        if len(token) > MAXIMUM_LENGTH:
            raise TokenRefused("too long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        caller = self._remembered.get(digest)
        if caller is None:
            caller = await self._verify_anew(token)
            self._remember(digest, caller)
        elif caller.expires_at <= time.time():
            del self._remembered[digest]
            raise TokenRefused("expired")
        return caller

    def _remember(self, digest: bytes, caller: Caller) -> None:
        if len(self._remembered) >= _REMEMBERED:
            # Dictionaries keep the order of insertion: the oldest goes.
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = caller

    async def _verify_anew(self, token: str) -> Caller:
        kid = _check_header(token)
        issuer = self._issuers.get(_read_unverified_issuer(token))
        if issuer is None:
            raise TokenRefused("unknown issuer")
        key = await issuer.keys.find_key(kid)
        if key is None:
            raise TokenRefused("unknown key")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=issuer.audience,
                issuer=issuer.issuer,
                options={
                    f"require_{name}": True for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")
                },
            )
            return _read_claims(claims)
        # The library raises more than its own JWTError: RecursionError, JWKError, TypeError, UnicodeError.
        except Exception as error:
            raise TokenRefused(type(error).__name__) from error


def _decode_segment(segment: str, *, limit: int) -> dict[str, Any]:
    if len(segment) > limit:
        raise TokenRefused("segment too long")
    try:
        decoded = json.loads(base64.urlsafe_b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise TokenRefused("segment is not base64url of JSON") from None
    if not isinstance(decoded, dict):
        raise TokenRefused("segment is not an object")
    return decoded


def _check_header(token: str) -> str:
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenRefused("not three segments")
    header = _decode_segment(parts[0], limit=_MAXIMUM_HEADER)
    # Names beyond these three could only point at another key (jwk, jku, x5u, x5c) or ask for processing (crit, zip).
    if (
        not _HEADER_NAMES.issuperset(header)
        or header.get("alg") != ALGORITHM
        or header.get("typ") != TOKEN_TYPE
    ):
        raise TokenRefused("header")
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise TokenRefused("kid")
    return kid


def _read_unverified_issuer(token: str) -> str:
    # Chooses whose keys to try, nothing else; the signature under those keys and `iss` itself are checked after.
    issuer = _decode_segment(token.split(".")[1], limit=MAXIMUM_LENGTH).get("iss")
    return issuer if isinstance(issuer, str) else ""


def _read_claims(claims: Mapping[str, Any]) -> Caller:
    roles = claims.get("roles", [])
    if not isinstance(claims["aud"], str) or not all(isinstance(role, str) for role in roles):
        raise TokenRefused("claims")
    return Caller(
        id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        email=_optional_text(claims, "email"),
        email_verified=claims.get("email_verified") is True,
        username=_optional_text(claims, "username"),
        roles=frozenset(roles),
        authenticated_at=int(claims["auth_time"]),
        expires_at=int(claims["exp"]),
    )


def _optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenRefused(name)
    return value


def read_bearer_token(connection: HTTPConnection) -> str | None:
    """The token of the `Authorization` header, None when there is none of the Bearer scheme."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


class BearerToken(SecurityBase):
    """The dependency behind `CallerDep`; a security scheme of its own, so that OpenAPI shows it."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT", description="An access token of Auth.")
        self.scheme_name = "AccessToken"

    async def __call__(self, connection: HTTPConnection) -> Caller:
        token = read_bearer_token(connection)
        if token is None:
            raise Unauthorized("Send an access token: Authorization: Bearer …")
        verifier: TokenVerifier = connection.app.state.verifier
        try:
            return await verifier.verify(token)
        except TokenRefused:
            detail = "The token is not valid here or has expired; sign in or refresh it."
            raise Unauthorized(detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
        except KeysUnavailable:
            raise AuthUnavailable(
                "Auth's signing keys could not be fetched yet. Try again in a moment."
            ) from None


CallerDep = Annotated[Caller, Depends(BearerToken())]
"""The caller; 401 without a valid access token."""


class RequireRole:
    """A dependency that wants one of some roles: `Annotated[Caller, Depends(RequireRole("admin"))]`."""

    def __init__(self, *roles: str) -> None:
        self._roles = frozenset(roles)

    async def __call__(self, caller: CallerDep) -> Caller:
        if self._roles.isdisjoint(caller.roles):
            raise Forbidden(f"This needs the role {' or '.join(sorted(self._roles))}.")
        return caller
