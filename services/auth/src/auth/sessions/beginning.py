"""How a session begins, however its owner proved who they are: a password, another party's word, a key."""

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from auth.schemas import UserAnswer
from auth.sessions import repository
from auth.sessions.access_tokens import LIFETIME_SECONDS, AccessTokenSigner, Subject
from auth.sessions.device import Device
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.sessions.repository import NewSession
from auth.sessions.schemas import LoginAnswer
from auth.settings.clients import EVERY_SCOPE, FIRST_PARTY_CLIENT
from dbcommon.engine import Database
from dbcommon.models import new_id
from webcommon.signing import hash_token

_HMAC_KEY_BYTES = 32


class SecondFactorNeeded(Exception):
    """The first factor is proven, and the account has a second. Not an answer: whoever began the sign-in asks for it."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"account {user_id} has a second factor")
        self.user_id = user_id


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What both kinds of token are made with."""

    access: AccessTokenSigner
    refresh: RefreshTokenCodec


@dataclass(frozen=True, kw_only=True)
class BegunSession:
    """A session that was stored just now, and whose it is. `device_binding`: what the device is known by to that account."""

    subject: Subject
    refresh_token: str = field(repr=False)
    user: UserAnswer
    device_binding: bytes = field(repr=False)


async def begin_session(
    store: Database | AsyncSession,
    user_id: UUID,
    *,
    codec: RefreshTokenCodec,
    device: Device,
    client_id: str = FIRST_PARTY_CLIENT,
    scope: str = EVERY_SCOPE,
    password_hash: str | None = None,
    second_factor_verified: bool = False,
) -> BegunSession | None:
    """Begin a session and write the event of it: in a transaction of its own, or in the one given.

    None when the account is gone or disabled, or when `password_hash` is given and is no longer the account's: it is what
    a password was verified against a moment ago. Raises `SecondFactorNeeded`, and nothing is stored, when the account has
    one and it is not `second_factor_verified`; what asks for it is `auth.second_factors.challenges`.
    """
    session_id, hmac_key = new_id(), secrets.token_bytes(_HMAC_KEY_BYTES)
    refresh_token = codec.issue(session_id, counter=0, hmac_key=hmac_key)
    new = NewSession(
        id=session_id,
        user_id=user_id,
        refresh_token_hash=hash_token(refresh_token),
        hmac_key=hmac_key,
        device=device,
        client_id=client_id,
        scope=scope,
        password_hash=password_hash,
        second_factor_verified=second_factor_verified,
    )
    if isinstance(store, Database):
        row = await repository.begin(store, new)
    else:
        row = await repository.begin_within(store, new)
    if row is None:
        return None
    if row["needs_second_factor"]:
        raise SecondFactorNeeded(user_id)
    account = {name: row[name] for name in UserAnswer.model_fields}
    subject = Subject(
        user_id=user_id,
        session_id=session_id,
        client_id=client_id,
        auth_time=row["auth_time"],
        email=row["email"],
        email_verified=row["email_verified"],
        username=row["username"],
        roles=row["roles"],
        scope=scope,
    )
    return BegunSession(
        subject=subject,
        refresh_token=refresh_token,
        user=UserAnswer.model_construct(**account),
        device_binding=row["device_binding"],
    )


async def answer_login(begun: BegunSession, *, tokens: Tokens) -> LoginAnswer:
    """The tokens of a session that just began. Raises `KeysNotReady`; `AccessTokenSigner.ensure_ready` asks before."""
    return LoginAnswer(
        access_token=await tokens.access.sign(begun.subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=begun.refresh_token,
        user=begun.user,
    )
