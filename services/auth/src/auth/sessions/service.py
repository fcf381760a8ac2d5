"""Rotation and reuse of refresh tokens, and signing out."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from auth.audit.repository import record_event
from auth.mail.outbox import Outbox
from auth.sessions import repository
from auth.sessions.access_tokens import LIFETIME_SECONDS, Subject
from auth.sessions.beginning import Tokens
from auth.sessions.errors import RefreshTokenRefused
from auth.sessions.refresh_tokens import PresentedToken, RefreshTokenCodec, parse_token
from auth.sessions.schemas import TokenPair
from auth.settings.clients import FIRST_PARTY_CLIENT
from dbcommon.engine import Database
from dbcommon.rows import AnyRow
from webcommon.signing import hash_token

if TYPE_CHECKING:
    import asyncpg

logger = logging.getLogger(__name__)


_TRIES = 2


class RotationDecision(Enum):
    """What to do with a presented refresh token."""

    ROTATE = auto()
    REPEAT = auto()
    END = auto()
    REFUSE = auto()


def decide(*, lives: bool, current: int, presented: int, just_rotated: bool) -> RotationDecision:
    """What to do with a genuine token of counter `presented` while `current` is the newest counter.

    The previous token may be repeated for `REPEAT_WINDOW`, since a response can get lost and a second tab can refresh at
    the same time. If the successor had been used, the presented counter would be two behind.
    """
    if not lives or presented > current:
        return RotationDecision.REFUSE
    if presented == current:
        return RotationDecision.ROTATE
    if presented == current - 1 and just_rotated:
        return RotationDecision.REPEAT
    return RotationDecision.END


class ScopeNotGranted(Exception):
    """A client asks for a scope beyond its session's. The token endpoint turns it into an error of RFC 6749."""


@dataclass(frozen=True, kw_only=True)
class RefreshedSession:
    """The subject of a refreshed session, and its next refresh token."""

    subject: Subject
    refresh_token: str = field(repr=False)


async def refresh(text: str, *, database: Database, tokens: Tokens, outbox: Outbox) -> TokenPair:
    """The next pair of tokens of a first-party session. Raises what `refresh_session` raises."""
    refreshed = await refresh_session(
        text, client_id=FIRST_PARTY_CLIENT, database=database, tokens=tokens, outbox=outbox
    )
    return TokenPair(
        access_token=await tokens.access.sign(refreshed.subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=refreshed.refresh_token,
    )


async def refresh_session(
    text: str, *, client_id: str, database: Database, tokens: Tokens, outbox: Outbox, scope: str = ""
) -> RefreshedSession:
    """The next refresh token of a session of this client.

    Raises `RefreshTokenRefused`; a token reused after `REPEAT_WINDOW` ends its session first. A token of another client's
    session is refused, and that session goes on. `scope` narrows the subject's scope for this time only (RFC 6749,
    section 6). Raises `ScopeNotGranted` for a scope beyond the session's, and the token is not used up.
    """
    presented = parse_token(text)
    if presented is None:
        raise RefreshTokenRefused
    await tokens.access.ensure_ready()
    for _ in range(_TRIES):
        refreshed = await _rotate_current(
            presented, client_id=client_id, scope=scope, database=database, tokens=tokens
        )
        if refreshed is not None:
            return refreshed
        # A transaction of its own, so that the end of the session is committed although the caller gets a refusal.
        async with database.transaction() as db:
            state = await _lock_genuine(db, presented, codec=tokens.refresh)
            if state.client_id != client_id:
                raise RefreshTokenRefused
            decision = await _decide_locked(db, state, presented=presented, outbox=outbox)
        if decision is RotationDecision.REPEAT:
            subject = describe_subject(state._mapping)  # noqa: SLF001 - SQLAlchemy's public name of it
            successor = _issue_successor(
                presented, hmac_key=state.refresh_token_hmac_key, codec=tokens.refresh
            )
            return RefreshedSession(subject=_narrow(subject, to=scope), refresh_token=successor)
        if decision is not RotationDecision.ROTATE:
            break
        # The token became the current one after it was read: read it again.
    raise RefreshTokenRefused


def _narrow(subject: Subject, *, to: str) -> Subject:
    asked, granted = set(to.split()), subject.scope.split()
    if not asked.issubset(granted):
        raise ScopeNotGranted(to)
    return replace(subject, scope=" ".join(name for name in granted if name in asked)) if asked else subject


def describe_subject(state: "Mapping[Any, Any] | asyncpg.Record") -> Subject:
    """The subject of a session's tokens, from the rows of the session and its account."""
    return Subject(
        user_id=state["user_id"],
        session_id=state["id"],
        client_id=state["client_id"],
        auth_time=state["auth_time"],
        email=state["email"],
        email_verified=state["email_verified"],
        username=state["username"],
        roles=state["roles"],
        scope=state["scope"],
    )


async def _rotate_current(
    presented: PresentedToken, *, client_id: str, scope: str, database: Database, tokens: Tokens
) -> RefreshedSession | None:
    """The refreshed session if the token is the current one of a live session, as in nearly every refresh; else None.

    Without a lock and a transaction: the UPDATE requires that the token is still current, so one of several requests
    wins, and the others are decided under the session's lock.
    """
    state = await repository.find_current(database, presented.session_id, counter=presented.counter)
    if state is None or not tokens.refresh.is_genuine(presented, hmac_key=state["refresh_token_hmac_key"]):
        return None
    if state["client_id"] != client_id:
        return None
    subject = _narrow(describe_subject(state), to=scope)
    successor = _issue_successor(presented, hmac_key=state["refresh_token_hmac_key"], codec=tokens.refresh)
    if not await repository.rotate(
        database,
        presented.session_id,
        counter=presented.counter + 1,
        refresh_token_hash=hash_token(successor),
    ):
        return None
    return RefreshedSession(subject=subject, refresh_token=successor)


async def _lock_genuine(db: AsyncSession, presented: PresentedToken, *, codec: RefreshTokenCodec) -> AnyRow:
    """The session of a token, locked. Raises `RefreshTokenRefused` unless this service issued the token."""
    state = await repository.lock_session(db, presented.session_id)
    if state is None or not codec.is_genuine(presented, hmac_key=state.refresh_token_hmac_key):
        raise RefreshTokenRefused
    return state


async def _decide_locked(
    db: AsyncSession, state: AnyRow, *, presented: PresentedToken, outbox: Outbox
) -> RotationDecision:
    """What to do with the presented token, whose session is locked. Ends the session if the token is reused."""
    decision = decide(
        lives=state.lives,
        current=state.refresh_token_counter,
        presented=presented.counter,
        just_rotated=bool(state.just_rotated),
    )
    if decision is RotationDecision.END:
        await repository.end(db, state.id, reason="reuse")
        await record_event(db, "refresh_token_reuse", user_id=state.user_id, session_id=state.id)
        await outbox.notify_owner(db, "refresh_token_reuse", address=state.email, user_id=state.user_id)
        logger.warning("session %s ended: a used refresh token was presented again", state.id)
    return decision


def _issue_successor(presented: PresentedToken, *, hmac_key: bytes, codec: RefreshTokenCodec) -> str:
    return codec.issue(presented.session_id, counter=presented.counter + 1, hmac_key=hmac_key)


async def sign_out(text: str, *, db: AsyncSession, codec: RefreshTokenCodec) -> None:
    """End the session of a refresh token, current or rotated; nothing happens if it has ended already.

    Raises `RefreshTokenRefused` unless this service issued the token.
    """
    presented = parse_token(text)
    if presented is None:
        raise RefreshTokenRefused
    state = await _lock_genuine(db, presented, codec=codec)
    if await repository.end(db, state.id, reason="logout"):
        await record_event(db, "logout", user_id=state.user_id, session_id=state.id)
