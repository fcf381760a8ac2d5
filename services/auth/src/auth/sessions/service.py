"""The rules of sessions: who may begin one, how its refresh token rotates, what ends it."""

import logging
import secrets
from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts.schemas import UserAnswer
from auth.audit.repository import record_event, record_login_failure
from auth.errors import EmailNotVerified, LoginFailed, RefreshTokenRefused
from auth.mail.outbox import Outbox
from auth.sessions import repository
from auth.sessions.access_tokens import LIFETIME_SECONDS, AccessTokenSigner, Subject
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import PresentedToken, RefreshTokenCodec, hash_token, parse_token
from auth.sessions.repository import AnyRow, NewSession
from auth.sessions.schemas import LoginAnswer, TokenPair
from dbcommon.engine import Database
from dbcommon.models import new_id
from webcommon.credentials import Login, normalize_email
from webcommon.passwords import PasswordHasher
from webcommon.throttling.guard import Guard, Origin
from webcommon.throttling.throttle import Admission

logger = logging.getLogger(__name__)

_SEED_BYTES = 32
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What both kinds of token are made with."""

    access: AccessTokenSigner
    refresh: RefreshTokenCodec


class Move(Enum):
    """What a presented refresh token leads to."""

    ROTATE = auto()
    REPEAT = auto()
    END = auto()
    REFUSE = auto()


def decide(*, lives: bool, current: int, presented: int, just_rotated: bool) -> Move:
    """What to do with a genuine token of generation `presented` while `current` is the newest that was issued.

    The predecessor of the current one may come again for a moment: an answer that was lost, a second tab. Had the
    successor been used, a newer one would be current and the predecessor two generations old.
    """
    if not lives or presented > current:
        return Move.REFUSE
    if presented == current:
        return Move.ROTATE
    if presented == current - 1 and just_rotated:
        return Move.REPEAT
    return Move.END


async def sign_in(
    credentials: Login,
    *,
    database: Database,
    hasher: PasswordHasher,
    tokens: Tokens,
    guard: Guard,
    origin: Origin,
    require_verified_email: bool,
    device: Device,
) -> LoginAnswer:
    """Begin a session. Raises `LoginFailed` alike for an unknown account, a wrong password and a disabled account,
    `TooManyAttempts` alike whether there is an account or not, and `EmailNotVerified` once the password is proven.

    Each of them costs the same statements and one hash, so that timing does not tell them apart either. A place under
    the limits is taken before the hash: of guesses sent all at once no more are looked at than of those sent in a row.
    """
    await tokens.access.ensure_ready()
    admission: Admission | None = None
    for _ in range(_TRIES):
        account = await _find_account(database, credentials.login)
        if admission is None:
            known = None if account is None else account.id
            admission = await guard.admit_login(credentials.login, account=known, origin=origin)
        stored = None if account is None else account.password_hash
        valid, replacement = await hasher.verify(credentials.password.get_secret_value(), stored)
        if account is None or not valid or account.disabled_at is not None:
            await _note_failure(database, admission, account=account)
            raise LoginFailed
        if require_verified_email and not account.email_verified:
            await admission.succeed()
            raise EmailNotVerified
        answer = await _begin(database, account, tokens=tokens, device=device)
        if answer is not None:
            await admission.succeed()
            if replacement is not None:
                await _upgrade(database, account, replacement=replacement)
            return answer
        # The account changed while the hash was computed (by the upgrade of another login, say): ask it again.
    raise LoginFailed


async def _note_failure(database: Database, admission: Admission, *, account: AnyRow | None) -> None:
    await admission.fail()
    await record_login_failure(database, user_id=None if account is None else account.id)


async def _find_account(database: Database, login: str) -> AnyRow | None:
    if "@" not in login:
        return await repository.find_by_username(database, login)
    try:
        email = normalize_email(login)
    except ValueError:
        email = login  # nobody's address, but looked for all the same: that takes as long as a real one
    return await repository.find_by_email(database, email)


async def _begin(
    database: Database, account: AnyRow, *, tokens: Tokens, device: Device
) -> LoginAnswer | None:
    """The answer to a sign-in; None when the account is no longer what the password was verified against."""
    session_id, seed = new_id(), secrets.token_bytes(_SEED_BYTES)
    refresh_token = tokens.refresh.issue(session_id, generation=0, seed=seed)
    new = NewSession(
        id=session_id,
        user_id=account.id,
        refresh_token_hash=hash_token(refresh_token),
        seed=seed,
        device=device,
    )
    async with database.transaction() as session:
        user = await repository.lock_account(session, account.id, password_hash=account.password_hash)
        if user is None:
            return None
        began_at = (await repository.insert_session(session, new)).created_at
        await record_event(session, "login", user_id=user.id, session_id=session_id)
    subject = Subject(
        user_id=user.id,
        session_id=session_id,
        authenticated_at=began_at,
        email=user.email,
        email_verified=user.email_verified,
        username=user.username,
        roles=user.roles,
    )
    return LoginAnswer(
        access_token=await tokens.access.sign(subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=refresh_token,
        user=UserAnswer.model_validate(user),
    )


async def _upgrade(database: Database, account: AnyRow, *, replacement: str) -> None:
    async with database.transaction() as session:
        await repository.upgrade_password_hash(
            session, account.id, old=account.password_hash, new=replacement
        )


async def refresh(text: str, *, database: Database, tokens: Tokens, outbox: Outbox) -> TokenPair:
    """The next pair of a session. Raises `RefreshTokenRefused`; a token used again too late ends its session first."""
    presented = parse_token(text)
    if presented is None:
        raise RefreshTokenRefused
    await tokens.access.ensure_ready()
    pair = await _rotate_current(presented, database=database, tokens=tokens)
    if pair is not None:
        return pair
    # A transaction of its own: what it decides, the end of the session too, is kept though the answer is a refusal.
    async with database.transaction() as session:
        state = await _lock_genuine(session, presented, codec=tokens.refresh)
        successor = await _advance(session, state, presented=presented, codec=tokens.refresh, outbox=outbox)
    if successor is None:
        raise RefreshTokenRefused
    subject = Subject(
        user_id=state.user_id,
        session_id=state.id,
        authenticated_at=state.began_at,
        email=state.email,
        email_verified=state.email_verified,
        username=state.username,
        roles=state.roles,
    )
    return TokenPair(
        access_token=await tokens.access.sign(subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=successor,
    )


async def _rotate_current(
    presented: PresentedToken, *, database: Database, tokens: Tokens
) -> TokenPair | None:
    """The next pair for the current token of a live session, as nearly every refresh is; None for anything else.

    No lock and no transaction: the update itself demands that the token is still current, so one of many wins, and the
    others are looked at under the session's lock.
    """
    state = await repository.find_current(database, presented.session_id, generation=presented.generation)
    if state is None or not tokens.refresh.is_genuine(presented, seed=state["refresh_seed"]):
        return None
    generation = presented.generation + 1
    successor = tokens.refresh.issue(presented.session_id, generation=generation, seed=state["refresh_seed"])
    if not await repository.rotate_current(
        database, presented.session_id, generation=generation, refresh_token_hash=hash_token(successor)
    ):
        return None
    subject = Subject(
        user_id=state["user_id"],
        session_id=state["id"],
        authenticated_at=state["began_at"],
        email=state["email"],
        email_verified=state["email_verified"],
        username=state["username"],
        roles=state["roles"],
    )
    return TokenPair(
        access_token=await tokens.access.sign(subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=successor,
    )


async def _lock_genuine(
    session: AsyncSession, presented: PresentedToken, *, codec: RefreshTokenCodec
) -> AnyRow:
    """The session of a token that we issued. Whoever merely knows a session's id gets no further than this."""
    state = await repository.lock_session(session, presented.session_id)
    if state is None or not codec.is_genuine(presented, seed=state.refresh_seed):
        raise RefreshTokenRefused
    return state


async def _advance(
    session: AsyncSession,
    state: AnyRow,
    *,
    presented: PresentedToken,
    codec: RefreshTokenCodec,
    outbox: Outbox,
) -> str | None:
    """The successor of the presented token, or None."""
    move = decide(
        lives=state.lives,
        current=state.generation,
        presented=presented.generation,
        just_rotated=bool(state.just_rotated),
    )
    if move is Move.END:
        await repository.end(session, state.id, reason="reuse")
        await record_event(session, "refresh_token_reuse", user_id=state.user_id, session_id=state.id)
        await outbox.tell(session, "refresh_token_reuse", address=state.email, user_id=state.user_id)
        logger.warning("session %s ended: a used refresh token came again", state.id)
    if move in (Move.END, Move.REFUSE):
        return None
    successor = codec.issue(state.id, generation=presented.generation + 1, seed=state.refresh_seed)
    if move is Move.ROTATE:
        await repository.rotate(
            session,
            state.id,
            generation=presented.generation + 1,
            refresh_token_hash=hash_token(successor),
        )
    return successor


async def sign_out(text: str, *, session: AsyncSession, codec: RefreshTokenCodec) -> None:
    """End the session of a refresh token, a rotated one too; nothing happens when it has ended already.

    Raises `RefreshTokenRefused` for what is no refresh token of ours.
    """
    presented = parse_token(text)
    if presented is None:
        raise RefreshTokenRefused
    state = await _lock_genuine(session, presented, codec=codec)
    if await repository.end(session, state.id, reason="logout"):
        await record_event(session, "logout", user_id=state.user_id, session_id=state.id)
