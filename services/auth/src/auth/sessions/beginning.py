"""Beginning a session: every sign-in method ends here."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
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
    """The account has a second factor, which is not verified yet. The caller of `begin_session` opens a login challenge."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"account {user_id} has a second factor")
        self.user_id = user_id


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The signer of access tokens and the codec of refresh tokens."""

    access: AccessTokenSigner
    refresh: RefreshTokenCodec


@dataclass(frozen=True, kw_only=True)
class BegunSession:
    """A session that was just stored, with its account. `device_binding`: for `Guard.remember_device`."""

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
    """Store a session and its event, in a transaction of its own or in the given one.

    None if the account is deleted or disabled, or no longer has `password_hash`, the hash that the password was verified
    against. Raises `SecondFactorNeeded`, and stores nothing, if the account has a second factor and it is not
    `second_factor_verified`; `auth.second_factors.challenges` asks for it.
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
    return BegunSession(
        subject=_describe_subject(new, row),
        refresh_token=refresh_token,
        # Values of the database are not validated again.
        user=UserAnswer.model_construct(**{name: row[name] for name in UserAnswer.model_fields}),
        device_binding=row["device_binding"],
    )


def _describe_subject(new: NewSession, row: Mapping[Any, Any]) -> Subject:
    return Subject(
        user_id=new.user_id,
        session_id=new.id,
        client_id=new.client_id,
        auth_time=row["auth_time"],
        email=row["email"],
        email_verified=row["email_verified"],
        username=row["username"],
        roles=row["roles"],
        scope=new.scope,
    )


async def answer_login(begun: BegunSession, *, tokens: Tokens) -> LoginAnswer:
    """The response to a sign-in, with its tokens. Raises `KeysNotReady`, unless `AccessTokenSigner.ensure_ready` was called
    before the session began."""
    return LoginAnswer(
        access_token=await tokens.access.sign(begun.subject),
        expires_in=LIFETIME_SECONDS,
        refresh_token=begun.refresh_token,
        user=begun.user,
    )
