"""Introspection (RFC 7662) and revocation (RFC 7009) of access and refresh tokens."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jose import jwt

from auth.audit.repository import record_event
from auth.oidc import repository
from auth.oidc.errors import OAuthRefusal
from auth.oidc.schemas import Introspection
from auth.sessions.refresh_tokens import PresentedToken, RefreshTokenCodec, parse_token
from auth.sessions.repository import end
from dbcommon.engine import Database
from webcommon.auth.bearer import Caller, TokenRefused, TokenVerifier

INACTIVE = Introspection(active=False)


@dataclass(frozen=True, kw_only=True)
class IssuedTokens:
    """Introspects and revokes the tokens of this service."""

    database: Database
    codec: RefreshTokenCodec = field(repr=False)
    verifier: TokenVerifier
    issuer: str

    async def introspect(self, token: str, *, by: "Caller | str") -> Introspection:
        """The state of a token, for its owner, administrators, and the client (by its id) that it was issued to. For anybody
        else it is inactive."""
        presented = parse_token(token)
        if presented is not None:
            found = await self._introspect_refresh_token(presented)
        else:
            found = await self._introspect_access_token(token)
        return found if _may_know(found, by) else INACTIVE

    async def revoke(self, token: str, *, client_id: str | None) -> None:
        """End the session of an access or refresh token; an invalid token is ignored. Raises `OAuthRefusal` for a token of
        another client than `client_id`."""
        presented = parse_token(token)
        session_id = presented.session_id if presented is not None else await self._read_session(token)
        if session_id is None:
            return
        async with self.database.transaction() as db:
            owner = await repository.find_owner(db, session_id)
            if owner is None:
                return
            if presented is not None and not self.codec.is_genuine(
                presented, hmac_key=owner.refresh_token_hmac_key
            ):
                return
            if client_id is not None and owner.client_id != client_id:
                raise OAuthRefusal("invalid_grant", "the token belongs to another client")
            if await end(db, session_id, reason="logout"):
                await record_event(db, "logout", user_id=owner.user_id, session_id=session_id)

    async def _introspect_refresh_token(self, presented: PresentedToken) -> Introspection:
        async with self.database.transaction() as db:
            found = await repository.find_live_session(db, presented.session_id)
        if found is None or found.refresh_token_counter != presented.counter:
            return INACTIVE
        if not self.codec.is_genuine(presented, hmac_key=found.refresh_token_hmac_key):
            return INACTIVE
        return Introspection(
            active=True,
            scope=found.scope,
            client_id=found.client_id,
            username=found.username,
            exp=int(found.expires_at.timestamp()),
            iat=int(found.auth_time.timestamp()),
            sub=str(found.user_id),
            iss=self.issuer,
            sid=str(presented.session_id),
        )

    async def _introspect_access_token(self, token: str) -> Introspection:
        session_id = await self._read_session(token)
        if session_id is None:
            return INACTIVE
        async with self.database.transaction() as db:
            found = await repository.find_live_session(db, session_id)
        if found is None:
            return INACTIVE
        claims: dict[str, Any] = jwt.get_unverified_claims(token)  # verified above
        names = ("scope", "client_id", "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "sid")
        shown = {name: claims[name] for name in names}
        return Introspection(active=True, token_type="Bearer", username=found.username, **shown)  # noqa: S106 - a kind

    async def _read_session(self, token: str) -> UUID | None:
        try:
            return (await self.verifier.verify(token)).session_id
        except TokenRefused:
            return None


def _may_know(found: Introspection, by: "Caller | str") -> bool:
    # A public client learns no more about its token than by using it.
    if isinstance(by, str):
        return found.client_id == by
    return found.sub == str(by.id) or "admin" in by.roles
