"""What the forms of the sign-in page do: check a factor, and begin the client's session."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import LoginFailed
from auth.login.password import PasswordCheck, verify_login
from auth.mail.outbox import Outbox
from auth.oidc.authorization_requests import AuthorizationRequest
from auth.oidc.codes import store_code
from auth.passkeys.schemas import PasskeyLogin
from auth.passkeys.service import Passkeys, attempt_assertion, begin_passkey_session
from auth.second_factors.challenges import attempt_challenge, finish_challenge, open_challenge
from auth.second_factors.codes import SecondFactors
from auth.sessions.beginning import BegunSession, SecondFactorNeeded, Tokens, begin_session
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from webcommon.accounts.credentials import Login
from webcommon.accounts.throttling.guard import ClientInfo

_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The code for the client. `device_binding`: what the browser is recognised by from now on; None while a second factor is
    pending."""

    code: str = field(repr=False)
    device_binding: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SecondFactorRequired:
    """The first factor was verified, and the account has a second one."""

    mfa_token: str = field(repr=False)


async def begin_client_session(
    db: AsyncSession,
    user_id: UUID,
    *,
    request: AuthorizationRequest,
    codec: RefreshTokenCodec,
    device: Device,
    password_hash: str | None = None,
) -> SignedIn | SecondFactorRequired | None:
    """Begin the client's session after the first factor, or open the challenge for the second one.

    None, like `begin_session`, when the account is gone or disabled, or has another password by now.
    """
    try:
        begun = await begin_session(
            db,
            user_id,
            codec=codec,
            device=device,
            client_id=request.address.client_id,
            scope=request.scope,
            password_hash=password_hash,
        )
    except SecondFactorNeeded:
        token = await open_challenge(
            db,
            user_id,
            amr=device.amr,
            client_id=request.address.client_id,
            scope=request.scope,
            password_hash=password_hash,
        )
        return None if token is None else SecondFactorRequired(mfa_token=token)
    return None if begun is None else await _give_code(db, begun, request=request)


async def _give_code(db: AsyncSession, begun: BegunSession, *, request: AuthorizationRequest) -> SignedIn:
    code = await store_code(db, begun.subject.session_id, request=request)
    return SignedIn(code=code, device_binding=begun.device_binding)


@dataclass(frozen=True, kw_only=True)
class PageSignIn:
    """A sign-in on the page, for one client."""

    request: AuthorizationRequest
    check: PasswordCheck
    tokens: Tokens
    client: ClientInfo
    device: Device

    async def sign_in_with_password(self, credentials: Login) -> SignedIn | SecondFactorRequired:
        """Begin a session with a password, or ask for the second factor. Raises what `verify_login` raises."""
        for _ in range(_ATTEMPTS):
            verified = await verify_login(credentials, check=self.check, client=self.client)
            async with self.check.database.transaction() as db:
                done = await begin_client_session(
                    db,
                    verified.user_id,
                    request=self.request,
                    codec=self.tokens.refresh,
                    device=self.device,
                    password_hash=verified.password_hash,
                )
            if done is not None:
                return done
            # The account changed while the hash was computed: try again.
        raise LoginFailed

    async def sign_in_with_passkey(self, text: str, *, passkeys: Passkeys) -> SignedIn:
        """Begin a session with a passkey. `text`: the credential as JSON, from the page's script. Raises what
        `attempt_assertion` and `begin_passkey_session` raise."""
        database = self.check.database
        async with (
            attempt_assertion(
                _read_credential(text),
                database=database,
                passkeys=passkeys,
                guard=self.check.guard,
                client=self.client,
            ) as assertion,
            database.transaction() as db,
        ):
            begun = await begin_passkey_session(
                db,
                assertion,
                passkeys=passkeys,
                codec=self.tokens.refresh,
                device=self.device,
                client_id=self.request.address.client_id,
                scope=self.request.scope,
            )
            return await _give_code(db, begun, request=self.request)

    async def sign_in_with_code(
        self, code: str, *, mfa_token: str, factors: SecondFactors, outbox: Outbox
    ) -> SignedIn:
        """Begin the session with a code of the second factor. Raises what `finish_challenge` and `attempt_challenge` raise."""
        database, guard = self.check.database, self.check.guard
        async with (
            attempt_challenge(mfa_token, database=database, guard=guard, client=self.client) as challenge,
            database.transaction() as db,
        ):
            begun = await finish_challenge(
                db,
                challenge,
                code,
                factors=factors,
                outbox=outbox,
                codec=self.tokens.refresh,
                device=self.device,
                client_id=self.request.address.client_id,
                scope=self.request.scope,
            )
            return await _give_code(db, begun, request=self.request)


def _read_credential(text: str) -> dict[str, Any]:
    try:
        return PasskeyLogin(credential=json.loads(text)).credential
    except (ValueError, RecursionError):
        return {}  # fails verification, and is counted like any other failure
