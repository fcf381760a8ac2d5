"""Every statement of sign-ins with Google."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.google.state import LIFETIME
from auth.models import OAuthAccount, OAuthCode, OAuthState, User
from auth.sessions.repository import CALLER_ROLES
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from webcommon.auth.bearer import Caller

PROVIDER = "google"

CODE_LIFETIME = timedelta(seconds=60)
"""A code has to be exchanged in so long; else the session that it stands for ends."""

KEPT_AFTER_EXPIRY = timedelta(minutes=10)
"""A used code is known for so long afterwards, so that one that comes again still ends its session."""

_BATCH = 500


async def insert_state(
    db: AsyncSession,
    *,
    state_hash: str,
    browser_hash: str,
    goal: dict[str, Any],
) -> None:
    """Put down that a browser began to sign in, and what for: `goal` has the columns that say it."""
    await db.execute(
        insert(OAuthState).values(
            state_hash=state_hash, browser_hash=browser_hash, expires_at=func.now() + LIFETIME, **goal
        )
    )


_GOAL = (OAuthState.redirect_to, OAuthState.code_challenge, OAuthState.authorization_request)


async def use_state(db: AsyncSession, *, state_hash: str, browser_hash: str) -> AnyRow | None:
    """What was begun, used up now by this call; None for anything but an unused, unexpired state of this browser."""
    statement = (
        update(OAuthState)
        .where(
            OAuthState.state_hash == state_hash,
            OAuthState.browser_hash == browser_hash,
            OAuthState.used_at.is_(None),
            OAuthState.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(*_GOAL)
    )
    return (await db.execute(statement)).one_or_none()


async def find_state(db: AsyncSession, *, state_hash: str, browser_hash: str) -> AnyRow | None:
    """What this browser began, used or expired as it may be."""
    statement = select(*_GOAL, OAuthState.used_at).where(
        OAuthState.state_hash == state_hash, OAuthState.browser_hash == browser_hash
    )
    return (await db.execute(statement)).one_or_none()


async def find_owner(db: AsyncSession, subject: str) -> UUID | None:
    """Whose way in this Google account is. Not locked: the account is to be locked first."""
    statement = select(OAuthAccount.user_id).where(
        OAuthAccount.provider == PROVIDER, OAuthAccount.provider_account_id == subject
    )
    owner: UUID | None = (await db.execute(statement)).scalar_one_or_none()
    return owner


_ACCOUNT = (User.id, User.email, User.email_verified, User.disabled_at)


async def lock_account(db: AsyncSession, user_id: UUID) -> AnyRow | None:
    """The account; nobody else changes it until the transaction ends."""
    statement = select(*_ACCOUNT).where(User.id == user_id).with_for_update(key_share=True)
    return (await db.execute(statement)).one_or_none()


async def lock_account_by_email(db: AsyncSession, email: str) -> AnyRow | None:
    """The account with this address, regardless of case, locked like `lock_account`."""
    statement = select(*_ACCOUNT).where(User.email == email).with_for_update(key_share=True)
    return (await db.execute(statement)).one_or_none()


async def update_link(
    db: AsyncSession, user_id: UUID, *, subject: str, access_token: str, lifetime: timedelta
) -> bool:
    """Keep the newest token of a link; False when there is no such link (any more)."""
    statement = (
        update(OAuthAccount)
        .where(
            OAuthAccount.provider == PROVIDER,
            OAuthAccount.provider_account_id == subject,
            OAuthAccount.user_id == user_id,
        )
        .values(access_token=access_token, expires_at=func.now() + lifetime)
        .returning(OAuthAccount.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def insert_link(
    db: AsyncSession, user_id: UUID, *, subject: str, access_token: str, lifetime: timedelta
) -> bool:
    """Make a Google account a way in; False when it became one meanwhile, be it of another account."""
    statement = (
        upsert(OAuthAccount)
        .values(
            id=new_id(),
            user_id=user_id,
            provider=PROVIDER,
            provider_account_id=subject,
            access_token=access_token,
            expires_at=func.now() + lifetime,
        )
        .on_conflict_do_nothing(index_elements=[OAuthAccount.provider, OAuthAccount.provider_account_id])
        .returning(OAuthAccount.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def note_proven(db: AsyncSession, user_id: UUID) -> None:
    """Take the account's address for proven."""
    await db.execute(
        update(User).where(User.id == user_id).values(email_verified=True, updated_at=func.now())
    )


@dataclass(frozen=True, kw_only=True)
class CodeKey:
    """What a code is known by: its hash, and the challenge that its verifier has to fit, if there is one."""

    code_hash: str
    code_challenge: str | None


async def insert_code(
    db: AsyncSession,
    key: CodeKey,
    *,
    session_id: UUID | None = None,
    sealed_factor_token: bytes | None = None,
) -> None:
    """Keep a code, and the one thing that it stands for."""
    await db.execute(
        insert(OAuthCode).values(
            code_hash=key.code_hash,
            code_challenge=key.code_challenge,
            session_id=session_id,
            sealed_factor_token=sealed_factor_token,
            expires_at=func.now() + CODE_LIFETIME,
        )
    )


def _is_code(key: CodeKey) -> ColumnElement[bool]:
    # A code with another verifier is no code: whoever only saw it can neither use it nor use it up.
    return and_(
        OAuthCode.code_hash == key.code_hash,
        OAuthCode.code_challenge.is_not_distinct_from(key.code_challenge),
    )


async def use_code(db: AsyncSession, key: CodeKey) -> AnyRow | None:
    """What a code stands for, used up now by this call; None for anything but an unused, unexpired code."""
    statement = (
        update(OAuthCode)
        .where(
            _is_code(key),
            OAuthCode.used_at.is_(None),
            OAuthCode.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(OAuthCode.session_id, OAuthCode.sealed_factor_token)
    )
    return (await db.execute(statement)).one_or_none()


async def find_used_code(db: AsyncSession, key: CodeKey) -> UUID | None:
    """The session of a code that was used before."""
    statement = select(OAuthCode.session_id).where(_is_code(key), OAuthCode.used_at.is_not(None))
    session_id: UUID | None = (await db.execute(statement)).scalar_one_or_none()
    return session_id


async def take_unused_codes(db: AsyncSession) -> list[UUID | None]:
    """Delete some codes that nobody exchanged in time; their sessions, None for one that had none."""
    due = (
        select(OAuthCode.code_hash)
        .where(OAuthCode.used_at.is_(None), OAuthCode.expires_at <= func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(OAuthCode).where(OAuthCode.code_hash.in_(due)).returning(OAuthCode.session_id)
    return list((await db.execute(statement)).scalars().all())


async def delete_expired(db: AsyncSession) -> int:
    """Delete some states and used codes whose time is over; how many."""
    states = (
        select(OAuthState.state_hash)
        .where(OAuthState.expires_at <= func.now() - KEPT_AFTER_EXPIRY)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    codes = (
        select(OAuthCode.code_hash)
        .where(OAuthCode.used_at.is_not(None), OAuthCode.expires_at <= func.now() - KEPT_AFTER_EXPIRY)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    first = delete(OAuthState).where(OAuthState.state_hash.in_(states)).returning(OAuthState.state_hash)
    second = delete(OAuthCode).where(OAuthCode.code_hash.in_(codes)).returning(OAuthCode.code_hash)
    deleted = 0
    for statement in (first, second):
        deleted += len((await db.execute(statement)).all())
    return deleted


async def forget_expired_tokens(db: AsyncSession) -> int:
    """Delete some of Google's tokens that are good for nothing any more; how many."""
    due = (
        select(OAuthAccount.id)
        .where(
            OAuthAccount.access_token.is_not(None),
            or_(OAuthAccount.expires_at.is_(None), OAuthAccount.expires_at <= func.now()),
        )
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(OAuthAccount)
        .where(OAuthAccount.id.in_(due))
        .values(access_token=null())
        .returning(OAuthAccount.id)
    )
    return len((await db.execute(statement)).all())


async def find_tokens(db: AsyncSession, user_id: UUID) -> Sequence[AnyRow]:
    """The provider's id and token of whatever is linked to an account and has one."""
    statement = select(OAuthAccount.provider_account_id, OAuthAccount.access_token).where(
        OAuthAccount.user_id == user_id, OAuthAccount.access_token.is_not(None)
    )
    return (await db.execute(statement)).all()


async def delete_link(db: AsyncSession, link_id: UUID, *, user_id: UUID) -> AnyRow | None:
    """Unlink one of an account's own; the provider's id and token of it, None when there is no such link."""
    statement = (
        delete(OAuthAccount)
        .where(OAuthAccount.id == link_id, OAuthAccount.user_id == user_id)
        .returning(OAuthAccount.provider_account_id, OAuthAccount.access_token)
    )
    return (await db.execute(statement)).one_or_none()


_PAGE = prepare_page(
    select(
        json_item(
            id=OAuthAccount.id,
            provider=OAuthAccount.provider,
            provider_account_id=OAuthAccount.provider_account_id,
            created_at=json_timestamp(OAuthAccount.created_at),
        ),
        OAuthAccount.id,
    )
    .where(OAuthAccount.user_id == bindparam("user_id"), OAuthAccount.id < bindparam("before"))
    .order_by(OAuthAccount.id.desc()),
    CALLER_ROLES,
)


async def find_page(database: Database, caller: Caller, *, before: UUID, limit: int) -> "asyncpg.Record":
    """What is linked to the caller's account, the newest first, from the one after `before` on: a page of the JSON of
    `LinkedAccountAnswer`, and the `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )
