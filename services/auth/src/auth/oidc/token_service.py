"""The rules of the token endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass

from auth.mail.outbox import Outbox
from auth.oidc.codes import CodeExchange, exchange_code
from auth.oidc.dependencies import StandardClients
from auth.oidc.errors import OAuthRefusal
from auth.oidc.schemas import ClientTokens
from auth.sessions.access_tokens import LIFETIME_SECONDS, Subject
from auth.sessions.beginning import Tokens
from auth.sessions.errors import RefreshTokenRefused
from auth.sessions.service import ScopeNotGranted, refresh_session
from dbcommon.engine import Database


@dataclass(frozen=True, kw_only=True)
class TokenEndpoint:
    """Answers grants with tokens."""

    database: Database
    tokens: Tokens
    outbox: Outbox
    clients: StandardClients

    async def answer(self, parameters: Mapping[str, str]) -> ClientTokens:
        """The tokens for a grant. Raises `OAuthRefusal`, `KeysNotReady`."""
        grant_type = require_parameter(parameters, "grant_type")
        if grant_type not in ("authorization_code", "refresh_token"):
            raise OAuthRefusal("unsupported_grant_type", "it is authorization_code or refresh_token")
        client_id = identify_client(parameters, clients=self.clients)
        await self.tokens.access.ensure_ready()
        if grant_type == "authorization_code":
            return await self._exchange(parameters, client_id=client_id)
        return await self._refresh(parameters, client_id=client_id)

    async def _exchange(self, parameters: Mapping[str, str], *, client_id: str) -> ClientTokens:
        exchange = CodeExchange(
            code=require_parameter(parameters, "code"),
            client_id=client_id,
            redirect_uri=require_parameter(parameters, "redirect_uri"),
            code_verifier=parameters.get("code_verifier", ""),
        )
        done = await exchange_code(exchange, database=self.database, codec=self.tokens.refresh)
        return await self._write(done.subject, refresh_token=done.refresh_token, nonce=done.nonce)

    async def _refresh(self, parameters: Mapping[str, str], *, client_id: str) -> ClientTokens:
        try:
            refreshed = await refresh_session(
                require_parameter(parameters, "refresh_token"),
                client_id=client_id,
                database=self.database,
                tokens=self.tokens,
                outbox=self.outbox,
                scope=parameters.get("scope", ""),
            )
        except RefreshTokenRefused as problem:
            raise OAuthRefusal("invalid_grant", problem.detail or problem.title) from None
        except ScopeNotGranted:
            raise OAuthRefusal("invalid_scope", "scope goes beyond what the session was given") from None
        return await self._write(refreshed.subject, refresh_token=refreshed.refresh_token)

    async def _write(self, subject: Subject, *, refresh_token: str, nonce: str | None = None) -> ClientTokens:
        access_token = await self.tokens.access.sign(subject)
        id_token = None
        if "openid" in subject.scope.split():
            id_token = await self.clients.id_tokens.sign(subject, access_token=access_token, nonce=nonce)
        return ClientTokens(
            access_token=access_token,
            expires_in=LIFETIME_SECONDS,
            refresh_token=refresh_token,
            scope=subject.scope,
            id_token=id_token,
        )


def identify_client(parameters: Mapping[str, str], *, clients: StandardClients) -> str:
    """The id of the calling client. It is public, so only its id can be checked. Raises `OAuthRefusal`."""
    client_id = require_parameter(parameters, "client_id")
    if client_id not in clients.registered or "client_secret" in parameters:
        raise OAuthRefusal("invalid_client", "the client is not registered, or has sent a secret")
    return client_id


def require_parameter(parameters: Mapping[str, str], name: str) -> str:
    """A required parameter. Raises `OAuthRefusal`."""
    if name not in parameters:
        raise OAuthRefusal("invalid_request", f"{name} is missing")
    return parameters[name]
