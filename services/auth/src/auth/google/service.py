"""The rules of a sign-in with Google: how it begins, and what its return leads to."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.google import repository
from auth.google.codes import keep_for_factor, keep_for_session
from auth.google.errors import InvalidState
from auth.google.id_tokens import Identity, read_identity
from auth.google.linking import Arrival, NotAdmitted, SettledMeanwhile, settle
from auth.google.provider import Provider, ProviderRefused, ProviderUnavailable
from auth.google.return_targets import AppReturn, Goal, describe_goal, read_goal
from auth.google.state import BeginningCodec, hash_secret, is_secret, new_secret
from auth.google.token_vault import TokenVault
from auth.mail.outbox import Outbox
from auth.oidc.sign_in import FactorAsked, SignedIn, enter
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

logger = logging.getLogger(__name__)

SCOPE = "openid email profile"

_TRIES = 5

Fault = Literal["access_denied", "provider_error", "provider_unavailable", "state_used", "state_expired"]
"""Why nothing came of it, beside the codes of `NotAdmitted`."""


@dataclass(frozen=True, kw_only=True)
class GoogleSignIn:
    """What sign-ins with Google are made with. `callback_url` is registered at Google; `clients` are those that people may
    be led to; `limit` is how many one network may begin."""

    database: Database
    provider: Provider
    beginnings: BeginningCodec
    vault: TokenVault
    codec: RefreshTokenCodec
    outbox: Outbox
    guard: Guard
    limit: Limit
    callback_url: str
    clients: Mapping[str, RegisteredClient]

    def open_tokens(self, links: Sequence[AnyRow]) -> list[str]:
        """Google's tokens of links, those that can be read."""
        opened = (self.vault.decrypt(link.access_token, subject=link.provider_account_id) for link in links)
        return [token for token in opened if token is not None]

    async def give_back(self, tokens: Sequence[str]) -> None:
        """Give tokens back to Google. Nothing is raised: they expire by themselves anyway."""
        for token in tokens:
            await self.provider.revoke(token)


@dataclass(frozen=True, kw_only=True)
class Return:
    """What the browser brings back from Google, and the cookie that it was given before it went there."""

    state: str
    browser: str | None
    code: str | None
    error: str | None
    issuer: str | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a sign-in: a code, or the wait for a second factor; None, and in `fault` why nothing came of it."""

    goal: Goal
    done: SignedIn | FactorAsked | None = None
    fault: str = ""


async def begin(google: GoogleSignIn, goal: Goal, *, browser: str, client: ClientInfo) -> str:
    """The address at Google to send the browser to. Raises `TooManyAttempts`, and `NotAdmitted` when Google is away."""
    await google.guard.limit_by_network("Google beginning", client=client, limit=google.limit)
    try:
        endpoints = await google.provider.discover()
    except (ProviderUnavailable, ProviderRefused) as error:
        raise NotAdmitted(_explain(error)) from None
    beginning = google.beginnings.begin()
    async with google.database.transaction() as db:
        await repository.insert_state(
            db,
            state_hash=hash_secret(beginning.state),
            browser_hash=hash_secret(browser),
            goal=describe_goal(goal),
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


async def finish(google: GoogleSignIn, back: Return, *, device: Device) -> Outcome:
    """What the return leads to. Raises `InvalidState` when it is not known where to, `UntrustedRequest` when it is known
    no longer.

    Google is asked between two transactions. The state is used up by the first, so one of many returns gets further.
    """
    goal, fault = await _use_state(google, back)
    if fault is not None:
        return Outcome(goal=goal, fault=fault)
    try:
        arrival = await _ask_provider(google, back)
        done = await _admit(google, arrival, goal=goal, device=device.by("google"))
    except NotAdmitted as refusal:
        return Outcome(goal=goal, fault=refusal.code)
    except (ProviderUnavailable, ProviderRefused) as error:
        return Outcome(goal=goal, fault=_explain(error))
    return Outcome(goal=goal, done=done)


async def _use_state(google: GoogleSignIn, back: Return) -> tuple[Goal, Fault | None]:
    """What this browser began, and why it is over if it is."""
    if back.browser is None or not is_secret(back.state) or not is_secret(back.browser):
        raise InvalidState
    hashes = {"state_hash": hash_secret(back.state), "browser_hash": hash_secret(back.browser)}
    async with google.database.transaction() as db:
        begun = await repository.use_state(db, **hashes)
        if begun is not None:
            return read_goal(begun, clients=google.clients), None
        spent = await repository.find_state(db, **hashes)
    if spent is None:
        raise InvalidState
    fault: Fault = "state_expired" if spent.used_at is None else "state_used"
    return read_goal(spent, clients=google.clients), fault


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
    google: GoogleSignIn, arrival: Arrival, *, goal: Goal, device: Device
) -> SignedIn | FactorAsked:
    for _ in range(_TRIES):
        try:
            async with google.database.transaction() as db:
                user_id = await settle(db, arrival, outbox=google.outbox)
                done = await _enter(db, user_id, goal, codec=google.codec, device=device)
                if done is None:
                    raise NotAdmitted("sign_in_refused")
        except SettledMeanwhile:
            continue
        return done
    raise DatabaseBusy("the account changed at every try")


async def _enter(
    db: AsyncSession, user_id: UUID, goal: Goal, *, codec: RefreshTokenCodec, device: Device
) -> SignedIn | FactorAsked | None:
    if isinstance(goal, AppReturn):
        return await _enter_app(db, user_id, goal, codec=codec, device=device)
    return await enter(db, user_id, request=goal, codec=codec, device=device)


async def _enter_app(
    db: AsyncSession, user_id: UUID, app: AppReturn, *, codec: RefreshTokenCodec, device: Device
) -> SignedIn | None:
    """Begin what the code will stand for: the session, whose tokens nobody has yet, or the wait for a second factor."""
    code, device_binding = new_secret(), None
    try:
        begun = await begin_session(db, user_id, codec=codec, device=device)
    except SecondFactorNeeded:
        token = await open_challenge(db, user_id, amr=device.amr)
        if token is None:
            return None
        await keep_for_factor(db, code, code_challenge=app.code_challenge, token=token)
    else:
        if begun is None:
            return None
        session_id, device_binding = begun.subject.session_id, begun.device_binding
        await keep_for_session(db, code, code_challenge=app.code_challenge, session_id=session_id)
    return SignedIn(code=code, device_binding=device_binding)
