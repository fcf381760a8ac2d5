"""Every statement of the session routes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Row, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Session, User
from auth.sessions.device import Device
from dbcommon.engine import Database
from dbcommon.reads import PreparedRead

IDLE_LIFETIME = timedelta(days=30)
"""A session that is not refreshed for so long is over."""

LONGEST_LIFETIME = timedelta(days=90)
"""From the sign-in; no refresh goes past it."""

KEPT_AFTER_END = timedelta(days=7)
"""A session that is over is kept for so long, so that a stolen token that comes again is still told from nonsense."""

_BATCH = 1_000

REPEAT_WINDOW = timedelta(seconds=10)
"""For so long a token that was just rotated answers with the same successor."""

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row whose columns the statement beside it names."""

EndReason = Literal[
    "logout",
    "reuse",
    "ended",
    "password_changed",
    "password_reset",
    "email_changed",
    "account_disabled",
    "account_linked",
    "administrator",
]

_USER = (
    User.email,
    User.username,
    User.email_verified,
    User.roles,
    User.created_at,
    User.updated_at,
)


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A session to be stored."""

    id: UUID
    user_id: UUID
    refresh_token_hash: str
    seed: bytes = field(repr=False)
    device: Device


_CREDENTIALS = select(User.id, User.password_hash, User.disabled_at, User.email_verified)
_BY_EMAIL = _CREDENTIALS.where(User.email == bindparam("login", type_=User.email.type))
_BY_USERNAME = _CREDENTIALS.where(User.username == bindparam("login", type_=User.username.type))


async def find_by_email(database: Database, email: str) -> AnyRow | None:
    """Id, password hash, disabling and verification of the account with this e-mail, regardless of case."""
    return await database.fetch_one(_BY_EMAIL, {"login": email})


async def find_by_username(database: Database, username: str) -> AnyRow | None:
    """Id, password hash, disabling and verification of the account with this username, regardless of case."""
    return await database.fetch_one(_BY_USERNAME, {"login": username})


async def lock_account(session: AsyncSession, user_id: UUID, *, password_hash: str) -> AnyRow | None:
    """The account, kept from changing until the transaction ends; None if it is disabled or has another password now."""
    statement = select(User.id, *_USER).where(
        User.id == user_id, User.disabled_at.is_(None), User.password_hash == password_hash
    )
    return (await session.execute(statement.with_for_update(read=True))).one_or_none()


async def insert_session(session: AsyncSession, new: NewSession) -> Row[Any]:
    """Store a session of generation 0; gives when it began."""
    statement = insert(Session).values(
        id=new.id,
        user_id=new.user_id,
        refresh_token=new.refresh_token_hash,
        refresh_seed=new.seed,
        expires_at=func.now() + IDLE_LIFETIME,
        ip=new.device.ip,
        user_agent=new.device.user_agent,
        method=new.device.method,
    )
    return (await session.execute(statement.returning(Session.created_at))).one()


async def upgrade_password_hash(session: AsyncSession, user_id: UUID, *, old: str, new: str) -> None:
    """Put a hash of today's kind in place of an old one of the same password, unless the password was changed."""
    await session.execute(
        update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new)
    )


async def lock_session(session: AsyncSession, session_id: UUID) -> AnyRow | None:
    """The session and its user, locked: whoever refreshes it at the same time comes after us."""
    lives = and_(Session.ended_at.is_(None), Session.expires_at > func.now(), User.disabled_at.is_(None))
    statement = (
        select(
            Session.id,
            Session.user_id,
            Session.refresh_seed,
            Session.generation,
            Session.created_at.label("began_at"),
            Session.ended_at,
            lives.label("lives"),
            (Session.rotated_at > func.now() - REPEAT_WINDOW).label("just_rotated"),
            *_USER,
        )
        .join(User, User.id == Session.user_id)
        .where(Session.id == session_id)
        .with_for_update(of=Session)
    )
    return (await session.execute(statement)).one_or_none()


_STATE = PreparedRead(
    select(
        Session.id,
        Session.user_id,
        Session.refresh_seed,
        Session.generation,
        Session.created_at.label("began_at"),
        User.email,
        User.username,
        User.email_verified,
        User.roles,
    )
    .join(User, User.id == Session.user_id)
    .where(
        Session.id == bindparam("session_id"),
        # A token may claim a number that the column cannot hold.
        Session.generation == bindparam("generation", type_=BigInteger()),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)

_ROTATE_CURRENT = PreparedRead(
    update(Session)
    .where(
        Session.id == bindparam("session_id"),
        Session.generation == bindparam("current"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
    )
    .values(
        generation=bindparam("successor", type_=Session.generation.type),
        refresh_token=bindparam("refresh_token_hash"),
        rotated_at=func.now(),
        expires_at=func.least(func.now() + IDLE_LIFETIME, Session.created_at + LONGEST_LIFETIME),
    )
    .returning(Session.generation)
)


async def find_current(database: Database, session_id: UUID, *, generation: int) -> "asyncpg.Record | None":
    """The session and its user, if it lives and that generation is its current one. Nothing is locked."""
    return await database.fetch_record(_STATE, session_id=session_id, generation=generation)


async def rotate_current(
    database: Database, session_id: UUID, *, generation: int, refresh_token_hash: str
) -> bool:
    """Make `generation` the current one if its predecessor still is and the session lives; whether it was this call."""
    row = await database.fetch_record(
        _ROTATE_CURRENT,
        session_id=session_id,
        current=generation - 1,
        successor=generation,
        refresh_token_hash=refresh_token_hash,
    )
    return row is not None


async def rotate(
    session: AsyncSession, session_id: UUID, *, generation: int, refresh_token_hash: str
) -> None:
    """Make `generation` the session's current one, and let it live on."""
    await session.execute(
        update(Session)
        .where(Session.id == session_id, Session.generation == generation - 1)
        .values(
            generation=generation,
            refresh_token=refresh_token_hash,
            rotated_at=func.now(),
            expires_at=func.least(func.now() + IDLE_LIFETIME, Session.created_at + LONGEST_LIFETIME),
        )
    )


async def end(session: AsyncSession, session_id: UUID, *, reason: EndReason) -> bool:
    """End a session; whether it was this call that did."""
    statement = (
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(ended_at=func.now(), end_reason=reason)
        .returning(Session.id)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def end_one(session: AsyncSession, session_id: UUID, *, user_id: UUID, reason: EndReason) -> bool:
    """End a live session of an account; whether it was this call that did."""
    statement = (
        update(Session)
        .where(
            Session.id == session_id,
            Session.user_id == user_id,
            Session.ended_at.is_(None),
            Session.expires_at > func.now(),
        )
        .values(ended_at=func.now(), end_reason=reason)
        .returning(Session.id)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def end_all(
    session: AsyncSession, user_id: UUID, *, reason: EndReason, keep: UUID | None
) -> Sequence[UUID]:
    """End every session of an account but `keep`; the ids of those that this call ended.

    One that begins or is refreshed meanwhile is waited for, its row being locked. To be called after the account's own
    row was changed, which sign-ins wait for.
    """
    statement = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    if keep is not None:
        statement = statement.where(Session.id != keep)
    statement = statement.values(ended_at=func.now(), end_reason=reason)
    return (await session.execute(statement.returning(Session.id))).scalars().all()


_LIVE = PreparedRead(
    select(User.email, User.username, User.email_verified, User.roles)
    .join(Session, Session.user_id == User.id)
    .where(
        Session.id == bindparam("session_id"),
        User.id == bindparam("user_id"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)


async def find_live(database: Database, *, session_id: UUID, user_id: UUID) -> "asyncpg.Record | None":
    """Names and roles of the account, if the session is one of its own and lives and the account is not disabled."""
    return await database.fetch_record(_LIVE, session_id=session_id, user_id=user_id)


async def delete_old(session: AsyncSession) -> int:
    """Delete some sessions that have been over for long, those that nobody else has in hand; how many."""
    over = or_(
        Session.ended_at < func.now() - KEPT_AFTER_END, Session.expires_at < func.now() - KEPT_AFTER_END
    )
    due = select(Session.id).where(over).limit(_BATCH).with_for_update(skip_locked=True)
    statement = delete(Session).where(Session.id.in_(due)).returning(Session.id)
    return len((await session.execute(statement)).all())
