"""How a session begins, however its owner proved who they are: a password, another party's word, a key."""

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.accounts.schemas import UserAnswer
from auth.sessions import repository
from auth.sessions.access_tokens import FIRST_PARTY_CLIENT, LIFETIME_SECONDS, AccessTokenSigner, Subject
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec, hash_token
from auth.sessions.repository import NewSession
from auth.sessions.schemas import LoginAnswer
from dbcommon.engine import Database
from dbcommon.models import new_id

_SEED_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What both kinds of token are made with."""

    access: AccessTokenSigner
    refresh: RefreshTokenCodec


@dataclass(frozen=True, kw_only=True)
class BegunSession:
    """A session that was stored just now, and whose it is."""

    subject: Subject
    refresh_token: str = field(repr=False)
    user: UserAnswer


async def begin_session(
    store: Database | AsyncSession,
    user_id: UUID,
    *,
    codec: RefreshTokenCodec,
    device: Device,
    client_id: str = FIRST_PARTY_CLIENT,
    password_hash: str | None = None,
) -> BegunSession | None:
    """Begin a session and write the event of it: in a transaction of its own, or in the one given.

    None when the account is gone or disabled, or when `password_hash` is given and is no longer the account's: it is what
    a password was verified against a moment ago.
    """
    session_id, seed = new_id(), secrets.token_bytes(_SEED_BYTES)
    refresh_token = codec.issue(session_id, generation=0, seed=seed)
    new = NewSession(
        id=session_id,
        user_id=user_id,
        refresh_token_hash=hash_token(refresh_token),
        seed=seed,
        device=device,
        client_id=client_id,
        password_hash=password_hash,
    )
    if isinstance(store, Database):
        row = await repository.begin(store, new)
    else:
        row = await repository.begin_within(store, new)
    if row is None:
        return None
    account = {name: row[name] for name in UserAnswer.model_fields}
    subject = Subject(
        user_id=user_id,
        session_id=session_id,
        client_id=client_id,
        authenticated_at=row["began_at"],
        email=row["email"],
        email_verified=row["email_verified"],
        username=row["username"],
        roles=row["roles"],
    )
    return BegunSession(
        subject=subject, refresh_token=refresh_token, user=UserAnswer.model_construct(**account)
    )


async def answer_login(begun: BegunSession, *, tokens: Tokens) -> LoginAnswer:
    """The tokens of a session that just began. Raises `KeysNotReady`; `AccessTokenSigner.ensure_ready` asks before."""
    return LoginAnswer(
        access_token=await tokens.access.sign(begun.subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=begun.refresh_token,
        user=begun.user,
    )
