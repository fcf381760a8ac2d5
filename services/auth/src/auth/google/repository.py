"""Every statement of sign-in with Google."""

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
"""Lifetime of a code. If it is not exchanged in time, its session ends."""

KEPT_AFTER_EXPIRY = timedelta(minutes=10)
"""How long used codes and states are kept after they expired, so that their reuse is recognised."""

_BATCH = 500

_IS_GOOGLE = OAuthAccount.provider == PROVIDER


async def insert_state(
    db: AsyncSession,
    *,
    state_hash: str,
    browser_hash: str,
    target: dict[str, Any],
) -> None:
    """Store a started sign-in. `target`: the columns of its return target."""
    await db.execute(
        insert(OAuthState).values(
            state_hash=state_hash, browser_hash=browser_hash, expires_at=func.now() + LIFETIME, **target
        )
    )


_TARGET = (OAuthState.redirect_to, OAuthState.code_challenge, OAuthState.authorization_request)


async def use_state(db: AsyncSession, *, state_hash: str, browser_hash: str) -> AnyRow | None:
    """Mark a state as used; gives its target. None unless it is unused, unexpired, and of this browser."""
    statement = (
        update(OAuthState)
        .where(
            OAuthState.state_hash == state_hash,
            OAuthState.browser_hash == browser_hash,
            OAuthState.used_at.is_(None),
            OAuthState.expires_at > func.now(),
        )
        .values(used_at=func.now())
        .returning(*_TARGET)
    )
    return (await db.execute(statement)).one_or_none()


async def find_state(db: AsyncSession, *, state_hash: str, browser_hash: str) -> AnyRow | None:
    """The target of a state of this browser, even if it is used or expired."""
    statement = select(*_TARGET, OAuthState.used_at).where(
        OAuthState.state_hash == state_hash, OAuthState.browser_hash == browser_hash
    )
    return (await db.execute(statement)).one_or_none()


async def find_owner(db: AsyncSession, subject: str) -> UUID | None:
    """The account that the Google account is linked to. The link is not locked: the account has to be locked first."""
    statement = select(OAuthAccount.user_id).where(_IS_GOOGLE, OAuthAccount.provider_account_id == subject)
    owner: UUID | None = (await db.execute(statement)).scalar_one_or_none()
    return owner


_ACCOUNT = (User.id, User.email, User.email_verified, User.disabled_at)


async def lock_account(db: AsyncSession, user_id: UUID) -> AnyRow | None:
    """The account, locked."""
    statement = select(*_ACCOUNT).where(User.id == user_id).with_for_update(key_share=True)
    return (await db.execute(statement)).one_or_none()


async def lock_account_by_email(db: AsyncSession, email: str) -> AnyRow | None:
    """The account with this address, regardless of case, locked like `lock_account`."""
    statement = select(*_ACCOUNT).where(User.email == email).with_for_update(key_share=True)
    return (await db.execute(statement)).one_or_none()


async def update_link(
    db: AsyncSession, user_id: UUID, *, subject: str, access_token: str, lifetime: timedelta
) -> bool:
    """Store the newest token of a link; False when there is no such link."""
    statement = (
        update(OAuthAccount)
        .where(
            _IS_GOOGLE,
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
    """Link a Google account; False when it is linked already, to this account or another."""
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


async def mark_email_verified(db: AsyncSession, user_id: UUID) -> None:
    """Mark the account's address as verified."""
    await db.execute(
        update(User).where(User.id == user_id).values(email_verified=True, updated_at=func.now())
    )


@dataclass(frozen=True, kw_only=True)
class CodeKey:
    """The hash of a code, and the challenge of its verifier, if there is one."""

    code_hash: str
    code_challenge: str | None


async def insert_code(
    db: AsyncSession,
    key: CodeKey,
    *,
    session_id: UUID | None = None,
    sealed_factor_token: bytes | None = None,
) -> None:
    """Store a code, for either a session or an MFA token."""
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
    # A code with a wrong verifier counts as unknown: an eavesdropper can neither exchange it nor void it.
    return and_(
        OAuthCode.code_hash == key.code_hash,
        OAuthCode.code_challenge.is_not_distinct_from(key.code_challenge),
    )


async def use_code(db: AsyncSession, key: CodeKey) -> AnyRow | None:
    """Mark a code as used; gives its session or MFA token. None unless it is unused and unexpired."""
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
    """The session of a used code."""
    statement = select(OAuthCode.session_id).where(_is_code(key), OAuthCode.used_at.is_not(None))
    session_id: UUID | None = (await db.execute(statement)).scalar_one_or_none()
    return session_id


async def delete_unused_codes(db: AsyncSession) -> list[UUID | None]:
    """Delete some codes that expired unused; gives their sessions, None for one with an MFA token."""
    due = (
        select(OAuthCode.code_hash)
        .where(OAuthCode.used_at.is_(None), OAuthCode.expires_at <= func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(OAuthCode).where(OAuthCode.code_hash.in_(due)).returning(OAuthCode.session_id)
    return list((await db.execute(statement)).scalars().all())


async def delete_expired(db: AsyncSession) -> int:
    """Delete some expired states and used codes; gives their number."""
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


async def delete_expired_tokens(db: AsyncSession) -> int:
    """Delete some expired tokens of Google; gives their number."""
    due = (
        select(OAuthAccount.id)
        .where(
            _IS_GOOGLE,
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
    """Google's id and token for each link of an account that has a token."""
    statement = select(OAuthAccount.provider_account_id, OAuthAccount.access_token).where(
        _IS_GOOGLE, OAuthAccount.user_id == user_id, OAuthAccount.access_token.is_not(None)
    )
    return (await db.execute(statement)).all()


async def delete_link(db: AsyncSession, link_id: UUID, *, user_id: UUID) -> AnyRow | None:
    """Delete a Google link of the account; gives Google's id and token, None when there is no such link."""
    statement = (
        delete(OAuthAccount)
        .where(_IS_GOOGLE, OAuthAccount.id == link_id, OAuthAccount.user_id == user_id)
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
    """A page of the caller's linked accounts before `before`, the newest first, as JSON of `LinkedAccountAnswer`; and the
    `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )
