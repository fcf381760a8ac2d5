"""The rules of a sign-in with Google: how it begins, and what its return leads to."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.errors import SignInNotBegun
from auth.google import repository
from auth.google.beginnings import (
    BeginningCodec,
    hash_secret,
    is_secret,
    new_secret,
)
from auth.google.codes import keep_for_factor, keep_for_session
from auth.google.id_tokens import Identity, read_identity
from auth.google.linking import Arrival, NotAdmitted, SettledMeanwhile, settle
from auth.google.provider import Provider, ProviderRefused, ProviderUnavailable
from auth.google.redirects import add_answer
from auth.google.token_vault import TokenVault
from auth.mail.outbox import Outbox
from auth.second_factors.challenges import open_challenge
from auth.sessions.beginning import SecondFactorNeeded, begin_session
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from dbcommon.engine import Database
from dbcommon.errors import DatabaseBusy

logger = logging.getLogger(__name__)

SCOPE = "openid email profile"

_TRIES = 5

Fault = Literal["access_denied", "provider_error", "provider_unavailable", "state_used", "state_expired"]
"""Why nothing came of it, beside the codes of `NotAdmitted`."""


@dataclass(frozen=True, kw_only=True)
class GoogleSignIn:
    """What sign-ins with Google are made with. `callback_url` is registered at Google."""

    database: Database
    provider: Provider
    beginnings: BeginningCodec
    vault: TokenVault
    codec: RefreshTokenCodec
    outbox: Outbox
    callback_url: str


@dataclass(frozen=True, kw_only=True)
class Return:
    """What the browser brings back from Google, and the cookie that it was given before it went there."""

    state: str
    browser: str | None
    code: str | None
    error: str | None
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where to send the browser, and who signed in there, if somebody did."""

    url: str
    user_id: UUID | None = None


async def begin(google: GoogleSignIn, *, browser: str, redirect_to: str, code_challenge: str | None) -> str:
    """The address at Google to send the browser to; the app's own with an error when Google is away."""
    try:
        endpoints = await google.provider.discover()
    except (ProviderUnavailable, ProviderRefused) as error:
        return add_answer(redirect_to, error=_explain(error))
    beginning = google.beginnings.begin()
    async with google.database.transaction() as session:
        await repository.insert_state(
            session,
            state_hash=hash_secret(beginning.state),
            browser_hash=hash_secret(browser),
            redirect_to=redirect_to,
            code_challenge=code_challenge,
        )
    query = {
        "client_id": google.provider.client_id,
        "redirect_uri": google.callback_url,
        "response_type": "code",
        "scope": SCOPE,
        "state": beginning.state,
        "nonce": beginning.nonce,
        "code_challenge": beginning.challenge,
        "code_challenge_method": "S256",
        "prompt": "select_account",
    }
    return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{urlencode(query)}"


async def finish(google: GoogleSignIn, back: Return, *, device: Device) -> Way:
    """Where the browser goes with a code, or with what went wrong. Raises `SignInNotBegun` when it is not known where.

    Google is asked between two transactions. The state is used up by the first, so one of many returns gets further.
    """
    if back.browser is None or not is_secret(back.state) or not is_secret(back.browser):
        raise SignInNotBegun
    hashes = {"state_hash": hash_secret(back.state), "browser_hash": hash_secret(back.browser)}
    async with google.database.transaction() as session:
        begun = await repository.use_state(session, **hashes)
        spent = None if begun is not None else await repository.find_state(session, **hashes)
    if begun is None:
        if spent is None:
            raise SignInNotBegun
        fault: Fault = "state_expired" if spent.used_at is None else "state_used"
        return Way(url=add_answer(spent.redirect_to, error=fault))
    try:
        arrival = await _ask_provider(google, back)
        user_id, code = await _admit(google, arrival, device=device, code_challenge=begun.code_challenge)
    except NotAdmitted as refusal:
        return Way(url=add_answer(begun.redirect_to, error=refusal.code))
    except (ProviderUnavailable, ProviderRefused) as error:
        return Way(url=add_answer(begun.redirect_to, error=_explain(error)))
    return Way(url=add_answer(begun.redirect_to, code=code), user_id=user_id)


def _explain(error: ProviderUnavailable | ProviderRefused) -> Fault:
    logger.warning("a sign-in with Google came to nothing: %s", error)
    return "provider_unavailable" if isinstance(error, ProviderUnavailable) else "provider_error"


async def _ask_provider(google: GoogleSignIn, back: Return) -> Arrival:
    if back.error == "access_denied":
        raise NotAdmitted("access_denied")
    # RFC 9207: an answer that says it is another issuer's is.
    if back.error or not back.code or back.issuer not in (None, google.provider.issuer):
        raise ProviderRefused("the return holds an error, no code, or another issuer's name")
    beginning = google.beginnings.recall(back.state)
    tokens = await google.provider.redeem(
        back.code, verifier=beginning.verifier, redirect_uri=google.callback_url
    )
    identity: Identity = await read_identity(tokens, nonce=beginning.nonce, provider=google.provider)
    return Arrival(
        identity=identity,
        access_token=google.vault.encrypt(tokens.access_token, subject=identity.subject),
        lifetime=timedelta(seconds=tokens.expires_in),
    )


async def _admit(
    google: GoogleSignIn, arrival: Arrival, *, device: Device, code_challenge: str | None
) -> tuple[UUID, str]:
    """Who signed in, and the code of their session."""
    for _ in range(_TRIES):
        try:
            async with google.database.transaction() as session:
                user_id = await settle(session, arrival, outbox=google.outbox)
                code = new_secret()
                await _begin_session(
                    session, user_id, code, google=google, device=device, code_challenge=code_challenge
                )
        except SettledMeanwhile:
            continue
        return user_id, code
    raise DatabaseBusy("the account changed at every try")


async def _begin_session(
    session: AsyncSession,
    user_id: UUID,
    code: str,
    *,
    google: GoogleSignIn,
    device: Device,
    code_challenge: str | None,
) -> None:
    """Begin what the code will stand for: the session, whose tokens nobody has yet, or the wait for a second factor."""
    try:
        begun = await begin_session(session, user_id, codec=google.codec, device=device.by("google"))
    except SecondFactorNeeded:
        token = await open_challenge(session, user_id, method="google")
        if token is None:
            raise NotAdmitted("sign_in_refused") from None
        await keep_for_factor(session, code, code_challenge=code_challenge, token=token)
        return
    if begun is None:
        raise NotAdmitted("sign_in_refused")
    await keep_for_session(session, code, code_challenge=code_challenge, session_id=begun.subject.session_id)
