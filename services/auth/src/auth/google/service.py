"""The rules of a sign-in with Google: its start, and its callback."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.google import repository
from auth.google.codes import store_for_factor, store_for_session
from auth.google.errors import InvalidState
from auth.google.id_tokens import Identity, read_identity
from auth.google.linking import ConcurrentLink, ProviderProfile, SignInRefused, resolve_account
from auth.google.provider import Provider, ProviderRefused, ProviderUnavailable
from auth.google.return_targets import AppTarget, ReturnTarget, describe_target, read_target
from auth.google.state import AuthorizationStateCodec, is_secret, new_secret
from auth.google.token_vault import TokenVault
from auth.mail.outbox import Outbox
from auth.oidc.sign_in import SecondFactorRequired, SignedIn, begin_client_session
from auth.second_factors.challenges import open_challenge
from auth.sessions.beginning import SecondFactorNeeded, begin_session
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.settings.clients import RegisteredClient
from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy
from dbcommon.rows import AnyRow
from webcommon.accounts.throttling.guard import ClientInfo, Guard
from webcommon.accounts.throttling.limits import Limit
from webcommon.signing import hash_token

logger = logging.getLogger(__name__)

SCOPE = "openid email profile"

_ATTEMPTS = 5

ErrorCode = Literal["access_denied", "provider_error", "provider_unavailable", "state_used", "state_expired"]
"""Reasons for a failed sign-in, beside the codes of `SignInRefused`."""


@dataclass(frozen=True, kw_only=True)
class GoogleSignIn:
    """The parts of sign-in with Google. `callback_url`: as registered at Google. `clients`: the standard clients. `limit`: starts
    of one network."""

    database: Database
    provider: Provider
    states: AuthorizationStateCodec
    vault: TokenVault
    codec: RefreshTokenCodec
    outbox: Outbox
    guard: Guard
    limit: Limit
    callback_url: str
    clients: Mapping[str, RegisteredClient]

    def decrypt_tokens(self, links: Sequence[AnyRow]) -> list[str]:
        """The decrypted tokens of linked accounts; those that cannot be decrypted are left out."""
        decrypted = (
            self.vault.decrypt(link.access_token, subject=link.provider_account_id) for link in links
        )
        return [token for token in decrypted if token is not None]

    async def revoke_tokens(self, tokens: Sequence[str]) -> None:
        """Revoke tokens at Google. Failures are not raised, since tokens expire by themselves."""
        for token in tokens:
            await self.provider.revoke(token)


@dataclass(frozen=True, kw_only=True)
class Callback:
    """The parameters of a callback from Google, and the secret of the browser's cookie."""

    state: str
    browser: str | None
    code: str | None
    error: str | None
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a sign-in. If it failed, `done` is None, and `error_code` says why."""

    target: ReturnTarget
    done: SignedIn | SecondFactorRequired | None = None
    error_code: str = ""


async def begin(google: GoogleSignIn, target: ReturnTarget, *, browser: str, client: ClientInfo) -> str:
    """The address at Google to redirect the browser to. Raises `TooManyAttempts`, and `SignInRefused` when Google cannot be reached."""
    await google.guard.limit_by_network("Google start", client=client, limit=google.limit)
    try:
        endpoints = await google.provider.discover()
    except (ProviderUnavailable, ProviderRefused) as error:
        raise SignInRefused(_explain(error)) from None
    authorization = google.states.issue()
    async with google.database.transaction() as db:
        await repository.insert_state(
            db,
            state_hash=hash_token(authorization.state),
            browser_hash=hash_token(browser),
            target=describe_target(target),
        )
    query = {
        "client_id": google.provider.client_id,
        "redirect_uri": google.callback_url,
        "response_type": "code",
        "scope": SCOPE,
        "state": authorization.state,
        "nonce": authorization.nonce,
        "code_challenge": authorization.challenge,
        "code_challenge_method": "S256",
        "prompt": "select_account",
    }
    return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{urlencode(query)}"


async def finish(google: GoogleSignIn, callback: Callback, *, device: Device) -> Outcome:
    """The result of a callback. Raises `InvalidState` for an unknown state or another browser, and `UntrustedRequest` when the
    client is not registered any more.

    Google is called between two transactions. The first marks the state as used, so only one of concurrent callbacks goes
    on.
    """
    target, error_code = await _use_state(google, callback)
    if error_code is not None:
        return Outcome(target=target, error_code=error_code)
    try:
        profile = await _fetch_profile(google, callback)
        done = await _sign_in(google, profile, target=target, device=device.by("google"))
    except SignInRefused as refusal:
        return Outcome(target=target, error_code=refusal.code)
    except (ProviderUnavailable, ProviderRefused) as error:
        return Outcome(target=target, error_code=_explain(error))
    return Outcome(target=target, done=done)


async def _use_state(google: GoogleSignIn, callback: Callback) -> tuple[ReturnTarget, ErrorCode | None]:
    """Mark the state as used. Gives its target, and the reason if it was used before or has expired."""
    if callback.browser is None or not is_secret(callback.state) or not is_secret(callback.browser):
        raise InvalidState
    hashes = {"state_hash": hash_token(callback.state), "browser_hash": hash_token(callback.browser)}
    async with google.database.transaction() as db:
        found = await repository.use_state(db, **hashes)
        if found is not None:
            return read_target(found, clients=google.clients), None
        used = await repository.find_state(db, **hashes)
    if used is None:
        raise InvalidState
    error_code: ErrorCode = "state_expired" if used.used_at is None else "state_used"
    return read_target(used, clients=google.clients), error_code


def _explain(error: ProviderUnavailable | ProviderRefused) -> ErrorCode:
    logger.warning("a sign-in with Google failed: %s", error)
    return "provider_unavailable" if isinstance(error, ProviderUnavailable) else "provider_error"


async def _fetch_profile(google: GoogleSignIn, callback: Callback) -> ProviderProfile:
    if callback.error == "access_denied":
        raise SignInRefused("access_denied")
    # RFC 9207: the answer may name another issuer.
    if callback.error or not callback.code or callback.issuer not in (None, google.provider.issuer):
        raise ProviderRefused("the callback has an error, no code, or another issuer")
    authorization = google.states.restore(callback.state)
    tokens = await google.provider.redeem(
        callback.code, verifier=authorization.verifier, redirect_uri=google.callback_url
    )
    identity: Identity = await read_identity(tokens, nonce=authorization.nonce, provider=google.provider)
    return ProviderProfile(
        identity=identity,
        access_token=google.vault.encrypt(tokens.access_token, subject=identity.subject),
        lifetime=timedelta(seconds=tokens.expires_in),
    )


async def _sign_in(
    google: GoogleSignIn, profile: ProviderProfile, *, target: ReturnTarget, device: Device
) -> SignedIn | SecondFactorRequired:
    for _ in range(_ATTEMPTS):
        try:
            async with google.database.transaction() as db:
                user_id = await resolve_account(db, profile, outbox=google.outbox)
                done = await _begin_session(db, user_id, target, codec=google.codec, device=device)
                if done is None:
                    raise SignInRefused("sign_in_refused")
        except ConcurrentLink:
            continue
        return done
    raise DatabaseBusy("the account changed during every attempt")


async def _begin_session(
    db: AsyncSession, user_id: UUID, target: ReturnTarget, *, codec: RefreshTokenCodec, device: Device
) -> SignedIn | SecondFactorRequired | None:
    if isinstance(target, AppTarget):
        return await _begin_app_session(db, user_id, target, codec=codec, device=device)
    return await begin_client_session(db, user_id, request=target, codec=codec, device=device)


async def _begin_app_session(
    db: AsyncSession, user_id: UUID, app: AppTarget, *, codec: RefreshTokenCodec, device: Device
) -> SignedIn | None:
    """Begin the session, or the wait for the second factor, and store the code for it; None when the account is gone or
    disabled."""
    code, device_binding = new_secret(), None
    try:
        begun = await begin_session(db, user_id, codec=codec, device=device)
    except SecondFactorNeeded:
        token = await open_challenge(db, user_id, amr=device.amr)
        if token is None:
            return None
        await store_for_factor(db, code, code_challenge=app.code_challenge, token=token)
    else:
        if begun is None:
            return None
        session_id, device_binding = begun.subject.session_id, begun.device_binding
        await store_for_session(db, code, code_challenge=app.code_challenge, session_id=session_id)
    return SignedIn(code=code, device_binding=device_binding)
