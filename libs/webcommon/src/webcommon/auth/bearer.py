"""The verifier of access tokens (RFC 9068, RFC 8725), and the dependencies on the caller.

The JOSE library alone accepts a token without `aud` or `exp`, with an unknown `crit`, of any `typ`. So the header is
checked before the library sees the token, every claim is required, and every failure is the same 401.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Depends
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase
from jose import jwt

from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized
from webcommon.auth.jwks import KeySource, KeysUnavailable
from webcommon.signing import decode_base64url, hash_token

ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068's media type
MAXIMUM_LENGTH = 8192
"""The maximum length in characters. A longer token is refused unread."""

# The 86th character of a signature carries two bits, so only four letters are canonical.
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{85}[AQgw]")
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_NAMES = frozenset({"alg", "typ", "kid"})
_MAXIMUM_HEADER = 512
_REMEMBERED = 10_000
_LATEST = 253_402_300_799  # 9999-12-31


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The caller, as the access token describes them. Times are Unix seconds; `scope` is separated by spaces."""

    id: UUID
    session_id: UUID
    email: str | None
    email_verified: bool
    username: str | None
    roles: frozenset[str]
    authenticated_at: int
    expires_at: int
    scope: str = ""


class SessionIds(Protocol):
    """Session ids; only `in` is supported."""

    def __contains__(self, session_id: object, /) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An issuer whose tokens are accepted, with its keys and its sessions that ended early."""

    issuer: str
    audience: str
    keys: KeySource
    ended: SessionIds = frozenset()


class TokenRefused(Exception):
    """The token is invalid. The text is for the log, never for the caller."""


class AuthUnavailable(ServiceUnavailable):
    """503: no signing key could be fetched yet, so the token cannot be checked."""

    title = "Token verification is temporarily unavailable"
    slug = "auth-unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verified:
    """A verified token's claims, its issuer, and the id of its key."""

    caller: Caller
    issuer: Issuer
    kid: str


class TokenVerifier:
    """Verifies access tokens of the given issuers.

    A verified token is remembered by its hash until it expires, its session ends, or its key is withdrawn; at most
    `remembered` of them. `clock` gives Unix seconds.
    """

    def __init__(
        self, *issuers: Issuer, clock: Callable[[], float] = time.time, remembered: int = _REMEMBERED
    ) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._clock = clock
        self._limit = remembered
        self._remembered: dict[str, _Verified] = {}

    async def verify(self, token: str) -> Caller:
        """The caller of a token. Raises `TokenRefused`, or `KeysUnavailable` when the token cannot be checked now."""
        if len(token) > MAXIMUM_LENGTH:
            raise TokenRefused("too long")
        digest = hash_token(token)
        known = self._remembered.get(digest)
        if known is None:
            known = await self._verify_anew(token)
            self._remember(digest, known)
        elif await known.issuer.keys.find_key(known.kid) is None:
            self._remembered.pop(digest, None)
            raise TokenRefused("its key was withdrawn")
        caller = known.caller
        if caller.expires_at <= self._clock() or caller.session_id in known.issuer.ended:
            self._remembered.pop(digest, None)
            raise TokenRefused("expired, or its session has ended")
        return caller

    def trusts_still(self, caller: Caller, *, grace_seconds: int) -> bool:
        """Whether the session of a caller of a long connection goes on, and the token expired at most so long ago."""
        return caller.expires_at + grace_seconds > self._clock() and not self.has_ended(caller.session_id)

    def has_ended(self, session_id: UUID) -> bool:
        """Whether the session has ended, as far as its issuer still tells: until its last token has expired."""
        return any(session_id in issuer.ended for issuer in self._issuers.values())

    def _remember(self, digest: str, known: _Verified) -> None:
        if len(self._remembered) >= self._limit:
            # Dictionaries keep insertion order: this is the oldest.
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = known

    async def _verify_anew(self, token: str) -> _Verified:
        # The library's base64 skips characters outside of its alphabet, so that one token would have many spellings.
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise TokenRefused("not three segments of base64url")
        kid = _read_kid(_decode_segment(match[1], limit=_MAXIMUM_HEADER))
        # Only chooses which keys to try; the signature and `iss` itself are checked afterwards.
        name = _decode_segment(match[2], limit=MAXIMUM_LENGTH).get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
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
            return _Verified(caller=_read_claims(claims), issuer=issuer, kid=kid)
        except TokenRefused:
            raise
        # The library raises more than its own JWTError: RecursionError, JWKError, TypeError, UnicodeError.
        except Exception as error:
            raise TokenRefused(type(error).__name__) from error


def _decode_segment(segment: str, *, limit: int) -> dict[str, Any]:
    if len(segment) > limit:
        raise TokenRefused("segment too long")
    try:
        text = decode_base64url(segment).decode()
        decoded = json.loads(text, object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError):
        raise TokenRefused("segment is not base64url of JSON") from None
    if not isinstance(decoded, dict):
        raise TokenRefused("segment is not an object")
    return decoded


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenRefused("a name stands twice")
    return found


def _read_kid(header: Mapping[str, Any]) -> str:
    # Other names could only point at another key (jwk, jku, x5u, x5c) or request processing (crit, zip).
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


def _read_claims(claims: Mapping[str, Any]) -> Caller:
    roles = claims.get("roles", [])
    if not isinstance(claims["aud"], str) or not isinstance(roles, list):
        raise TokenRefused("claims")
    for name in ("iat", "nbf"):
        _read_time(claims, name)
    return Caller(
        id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        email=_read_text(claims.get("email")),
        email_verified=claims.get("email_verified") is True,
        username=_read_text(claims.get("username")),
        roles=frozenset(_read_role(role) for role in roles),
        authenticated_at=_read_time(claims, "auth_time"),
        expires_at=_read_time(claims, "exp"),
        scope=_read_text(claims.get("scope")) or "",
    )


def _read_time(claims: Mapping[str, Any], name: str) -> int:
    # The library also accepts a digit string, a float or True as a time.
    value = claims[name]
    if type(value) is not int or not 0 < value <= _LATEST:
        raise TokenRefused(name)
    return value


def _read_text(value: Any) -> str | None:
    # Text that no database can store (half of a surrogate pair, NUL) is refused in tokens as well.
    if value is not None and (not isinstance(value, str) or "\x00" in value):
        raise TokenRefused("text")
    return value.encode().decode() if value is not None else None


def _read_role(value: Any) -> str:
    if not isinstance(value, str):
        raise TokenRefused("roles")
    return value


def read_bearer_token(connection: HTTPConnection) -> str | None:
    """The token of the `Authorization` header; None without one of the Bearer scheme."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" and token else None


class BearerToken(SecurityBase):
    """The dependency behind `CallerDep`; a security scheme, so that OpenAPI shows it."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="JWT", description="An access token of Auth.")
        self.scheme_name = "AccessToken"

    async def __call__(self, connection: HTTPConnection) -> Caller:
        token = read_bearer_token(connection)
        if token is None:
            raise Unauthorized("Send an access token: Authorization: Bearer …")
        verifier: TokenVerifier = connection.app.verifier
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
    """A dependency that requires one of some roles: `Annotated[Caller, Depends(RequireRole("admin"))]`."""

    def __init__(self, *roles: str) -> None:
        self._roles = frozenset(roles)

    async def __call__(self, caller: CallerDep) -> Caller:
        if self._roles.isdisjoint(caller.roles):
            raise Forbidden(f"This needs the role {' or '.join(sorted(self._roles))}.")
        return caller
