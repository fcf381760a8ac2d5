"""Every statement of the OpenID Connect routes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import AuthorizationCode, Session, User
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.rows import AnyRow

if TYPE_CHECKING:
    import asyncpg

CODE_LIFETIME = timedelta(seconds=60)
"""Lifetime of a code. If it is not exchanged in time, its session ends."""

CODES_KEPT = timedelta(hours=1)
"""How long used codes are kept, so that their reuse is recognised."""

_BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class NewCode:
    """A code to be stored."""

    code_hash: str
    session_id: UUID
    redirect_uri: str
    code_challenge: str
    nonce: str | None


async def insert_code(db: AsyncSession, code: NewCode) -> None:
    """Store a code; its lifetime starts now."""
    await db.execute(
        insert(AuthorizationCode).values(
            code_hash=code.code_hash,
            session_id=code.session_id,
            redirect_uri=code.redirect_uri,
            code_challenge=code.code_challenge,
            nonce=code.nonce,
            expires_at=func.now() + CODE_LIFETIME,
        )
    )


async def find_code(db: AsyncSession, code_hash: str) -> AnyRow | None:
    """A code with its session and account, not locked. `lives`: the session is live, and the account enabled."""
    lives = (
        Session.ended_at.is_(None) & (Session.expires_at > func.now()) & User.disabled_at.is_(None)
    ).label("lives")
    statement = (
        select(
            AuthorizationCode.redirect_uri,
            AuthorizationCode.code_challenge,
            AuthorizationCode.nonce,
            AuthorizationCode.used_at,
            (AuthorizationCode.expires_at > func.now()).label("in_time"),
            Session.id,
            Session.user_id,
            Session.refresh_token_hmac_key,
            Session.client_id,
            Session.scope,
            Session.created_at.label("auth_time"),
            lives,
            User.email,
            User.username,
            User.email_verified,
            User.roles,
        )
        .join(Session, Session.id == AuthorizationCode.session_id)
        .join(User, User.id == Session.user_id)
        .where(AuthorizationCode.code_hash == code_hash)
    )
    return (await db.execute(statement)).one_or_none()


async def use_code(db: AsyncSession, code_hash: str) -> bool:
    """Mark a code as used; False when it was used already. Concurrent calls wait for each other, and one gets True."""
    statement = (
        update(AuthorizationCode)
        .where(AuthorizationCode.code_hash == code_hash, AuthorizationCode.used_at.is_(None))
        .values(used_at=func.clock_timestamp())
        .returning(AuthorizationCode.code_hash)
    )
    return (await db.execute(statement)).one_or_none() is not None


_CLAIMS = DriverStatement(
    select(User.email, User.username, User.email_verified, User.roles, User.updated_at)
    .join(Session, Session.user_id == User.id)
    .where(
        Session.id == bindparam("session_id"),
        User.id == bindparam("user_id"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)


async def find_claims(database: Database, *, session_id: UUID, user_id: UUID) -> "asyncpg.Record | None":
    """The claims of the account of a live session."""
    return await database.fetch_record(_CLAIMS, session_id=session_id, user_id=user_id)


async def find_live_session(db: AsyncSession, session_id: UUID) -> AnyRow | None:
    """A live session with the username of its account; None when the session is not live, or the account disabled."""
    statement = (
        select(
            Session.user_id,
            Session.refresh_token_counter,
            Session.refresh_token_hmac_key,
            Session.client_id,
            Session.scope,
            Session.created_at.label("auth_time"),
            Session.expires_at,
            User.username,
        )
        .join(User, User.id == Session.user_id)
        .where(
            Session.id == session_id,
            Session.ended_at.is_(None),
            Session.expires_at > func.now(),
            User.disabled_at.is_(None),
        )
    )
    return (await db.execute(statement)).one_or_none()


async def find_owner(db: AsyncSession, session_id: UUID) -> AnyRow | None:
    """User and client of a session, live or not."""
    statement = select(Session.user_id, Session.client_id, Session.refresh_token_hmac_key).where(
        Session.id == session_id
    )
    return (await db.execute(statement)).one_or_none()


async def delete_unused(db: AsyncSession) -> list[AnyRow]:
    """Delete some codes that expired unused; gives their sessions, locked."""
    due = (
        select(Session.id, Session.user_id, AuthorizationCode.code_hash)
        .join(AuthorizationCode, AuthorizationCode.session_id == Session.id)
        .where(AuthorizationCode.used_at.is_(None), AuthorizationCode.expires_at < func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True, of=Session)
    )
    found = {row.code_hash: row for row in (await db.execute(due)).all()}
    statement = (
        delete(AuthorizationCode)
        .where(AuthorizationCode.code_hash.in_(found), AuthorizationCode.used_at.is_(None))
        .returning(AuthorizationCode.code_hash)
    )
    deleted = (await db.execute(statement)).scalars().all()
    return [found[code_hash] for code_hash in deleted]


async def delete_used(db: AsyncSession) -> int:
    """Delete some old used codes; gives their number."""
    due = (
        select(AuthorizationCode.code_hash)
        .where(AuthorizationCode.used_at.is_not(None), AuthorizationCode.expires_at < func.now() - CODES_KEPT)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(AuthorizationCode).where(AuthorizationCode.code_hash.in_(due))
    return len((await db.execute(statement.returning(AuthorizationCode.code_hash))).all())
