"""Every statement of the standard endpoints."""

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
"""A code that was not exchanged by then is void, and its session over."""

CODES_KEPT = timedelta(hours=1)
"""A used code is known for so long, so that using it again is noticed."""

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
    """Store a code, which lives from now on."""
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
    """What a code is bound to, and whether its session and account are still good. Nothing is locked."""
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
    """Use a code up; whether it was this call that did. Of many at once one does, and the others wait for it."""
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
    """What may be told of an account in a session that lives."""
    return await database.fetch_record(_CLAIMS, session_id=session_id, user_id=user_id)


async def find_live_session(db: AsyncSession, session_id: UUID) -> AnyRow | None:
    """The session of a token, if it lives, with the name and the state of its account."""
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
    """Whose a session is, and which client's, whether or not it lives."""
    statement = select(Session.user_id, Session.client_id, Session.refresh_token_hmac_key).where(
        Session.id == session_id
    )
    return (await db.execute(statement)).one_or_none()


async def delete_unused(db: AsyncSession) -> list[AnyRow]:
    """Delete some codes whose time is over and that nobody exchanged; their sessions, locked."""
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
    """Delete some codes that were exchanged long ago; how many."""
    due = (
        select(AuthorizationCode.code_hash)
        .where(AuthorizationCode.used_at.is_not(None), AuthorizationCode.expires_at < func.now() - CODES_KEPT)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(AuthorizationCode).where(AuthorizationCode.code_hash.in_(due))
    return len((await db.execute(statement.returning(AuthorizationCode.code_hash))).all())
