"""Statements on sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Interval,
    LargeBinary,
    Text,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import LoginChallenge, Session, User
from auth.models.sessions import EndReason
from auth.sessions.device import Device
from auth.sessions.recognised_devices import DEVICE_BINDING_SQL
from dbcommon.driver_statements import DriverStatement, DriverText
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from webcommon.auth.bearer import Caller

IDLE_LIFETIME = timedelta(days=30)
"""A session expires after this long without a refresh."""

LONGEST_LIFETIME = timedelta(days=90)
"""From the sign-in; no refresh extends a session beyond it."""

KEPT_AFTER_END = timedelta(days=7)
"""An ended or expired session is kept for this long, so that reuse of its tokens is still detected."""

_BATCH = 1_000

REPEAT_WINDOW = timedelta(seconds=10)
"""For this long a rotated token gets the same successor again."""

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
    """A session to store. With a `password_hash` only if the account still has it; None for other sign-in methods."""

    id: UUID
    user_id: UUID
    refresh_token_hash: str
    hmac_key: bytes = field(repr=False)
    device: Device
    client_id: str
    scope: str
    password_hash: str | None = field(default=None, repr=False)
    second_factor_verified: bool = False

    def parameters(self) -> dict[str, Any]:
        """The parameters of `begin`."""
        return {
            "id": self.id,
            "user_id": self.user_id,
            "refresh_token_hash": self.refresh_token_hash,
            "hmac_key": self.hmac_key,
            "ip": self.device.ip,
            "user_agent": self.device.user_agent,
            "amr": self.device.amr,
            "client_id": self.client_id,
            "scope": self.scope,
            "password_hash": self.password_hash,
            "second_factor_verified": self.second_factor_verified,
            "event_id": new_id(),
        }


# One statement, so one round trip. The share lock makes a concurrent change of the account (it is disabled, its password
# is replaced) wait until the session is stored, so that the change ends it.
_BEGIN_SQL = text(
    f"""
    WITH account AS (
        SELECT id, email, username, email_verified, roles, created_at, updated_at, {DEVICE_BINDING_SQL} AS device_binding,
            NOT :second_factor_verified AND EXISTS (
                SELECT FROM totp_secrets WHERE user_id = users.id AND confirmed_at IS NOT NULL
            ) AS needs_second_factor
        FROM users
        WHERE id = :user_id AND disabled_at IS NULL AND shadow_of IS NULL
            AND (CAST(:password_hash AS text) IS NULL OR password_hash = :password_hash)
        FOR SHARE
    ), begun AS (
        INSERT INTO sessions
            (id, user_id, refresh_token, refresh_token_hmac_key, expires_at, ip, user_agent, amr, client_id, scope)
        SELECT :id, account.id, :refresh_token_hash, :hmac_key, now() + :lifetime, :ip, :user_agent, :amr,
            :client_id, :scope
        FROM account WHERE NOT needs_second_factor RETURNING created_at
    ), event AS (
        INSERT INTO audit_events (id, event, user_id, session_id)
        SELECT :event_id, 'login', account.id, :id FROM account WHERE NOT needs_second_factor
    )
    SELECT account.*, begun.created_at AS auth_time FROM account LEFT JOIN begun ON true
    """  # noqa: S608 - of our own text alone
).bindparams(
    bindparam("user_id", type_=Session.user_id.type),
    bindparam("password_hash", type_=Text()),
    bindparam("second_factor_verified", type_=Boolean()),
    bindparam("id", type_=Session.id.type),
    bindparam("refresh_token_hash", type_=Text()),
    bindparam("hmac_key", type_=LargeBinary()),
    bindparam("lifetime", IDLE_LIFETIME, type_=Interval()),
    bindparam("ip", type_=INET()),
    bindparam("user_agent", type_=Text()),
    bindparam("amr", type_=Text()),
    bindparam("client_id", type_=Text()),
    bindparam("scope", type_=Text()),
    bindparam("event_id", type_=Session.id.type),
)
_BEGIN = DriverText(_BEGIN_SQL)


async def begin(database: Database, new: NewSession) -> Mapping[Any, Any] | None:
    """Store a session with counter 0 and its event; gives the account, and `auth_time`.

    None, and nothing is stored, if the account is deleted, disabled or a shadow, or no longer has the verified password.
    Nothing is stored either if the row says `needs_second_factor`.
    """
    row = await database.fetch_record(_BEGIN, **new.parameters())
    return None if row is None else dict(row)


async def begin_within(db: AsyncSession, new: NewSession) -> Mapping[Any, Any] | None:
    """As `begin`, within a transaction."""
    row: Mapping[Any, Any] | None = (await db.execute(_BEGIN_SQL, new.parameters())).mappings().one_or_none()
    return row


async def lock_session(db: AsyncSession, session_id: UUID) -> AnyRow | None:
    """The session and its account; the session's row is locked, so that concurrent refreshes wait."""
    # The account first (CONTRIBUTING.md): a mail about the session will lock its row.
    whose = select(Session.user_id).where(Session.id == session_id).scalar_subquery()
    await db.execute(select(User.id).where(User.id == whose).with_for_update(read=True, key_share=True))
    lives = and_(Session.ended_at.is_(None), Session.expires_at > func.now(), User.disabled_at.is_(None))
    statement = (
        select(
            Session.id,
            Session.user_id,
            Session.refresh_token_hmac_key,
            Session.refresh_token_counter,
            Session.client_id,
            Session.scope,
            Session.created_at.label("auth_time"),
            Session.ended_at,
            lives.label("lives"),
            (Session.rotated_at > func.now() - REPEAT_WINDOW).label("just_rotated"),
            *_USER,
        )
        .join(User, User.id == Session.user_id)
        .where(Session.id == session_id)
        .with_for_update(of=Session)
    )
    return (await db.execute(statement)).one_or_none()


_STATE = DriverStatement(
    select(
        Session.id,
        Session.user_id,
        Session.refresh_token_hmac_key,
        Session.refresh_token_counter,
        Session.client_id,
        Session.scope,
        Session.created_at.label("auth_time"),
        User.email,
        User.username,
        User.email_verified,
        User.roles,
    )
    .join(User, User.id == Session.user_id)
    .where(
        Session.id == bindparam("session_id"),
        # A token may claim a counter that the column cannot hold.
        Session.refresh_token_counter == bindparam("counter", type_=BigInteger()),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)

_ROTATE = DriverStatement(
    update(Session)
    .where(
        Session.id == bindparam("session_id"),
        Session.refresh_token_counter == bindparam("current"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
    )
    .values(
        refresh_token_counter=bindparam("successor", type_=Session.refresh_token_counter.type),
        refresh_token=bindparam("refresh_token_hash"),
        rotated_at=func.now(),
        expires_at=func.least(func.now() + IDLE_LIFETIME, Session.created_at + LONGEST_LIFETIME),
    )
    .returning(Session.refresh_token_counter)
)


async def find_current(database: Database, session_id: UUID, *, counter: int) -> "asyncpg.Record | None":
    """The session and its account, if it is live and `counter` is its current one. Locks nothing."""
    return await database.fetch_record(_STATE, session_id=session_id, counter=counter)


async def rotate(database: Database, session_id: UUID, *, counter: int, refresh_token_hash: str) -> bool:
    """Set the counter if it is one below and the session is live; whether this call did."""
    row = await database.fetch_record(
        _ROTATE,
        session_id=session_id,
        current=counter - 1,
        successor=counter,
        refresh_token_hash=refresh_token_hash,
    )
    return row is not None


async def end(db: AsyncSession, session_id: UUID, *, reason: EndReason) -> bool:
    """End a session; whether this call did."""
    statement = (
        update(Session)
        .where(Session.id == session_id, Session.ended_at.is_(None))
        .values(ended_at=func.now(), end_reason=reason)
        .returning(Session.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def end_one(db: AsyncSession, session_id: UUID, *, user_id: UUID, reason: EndReason) -> bool:
    """End a live session of an account; whether this call did."""
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
    return (await db.execute(statement)).one_or_none() is not None


async def end_all(db: AsyncSession, user_id: UUID, *, reason: EndReason, keep: UUID | None) -> Sequence[UUID]:
    """End all sessions of an account but `keep`; gives the ids of those that this call ended.

    Waits for sessions that begin or are refreshed concurrently. Call it after changing the account's row, which sign-ins
    lock.
    """
    statement = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    if keep is not None:
        statement = statement.where(Session.id != keep)
    statement = statement.values(ended_at=func.now(), end_reason=reason)
    return (await db.execute(statement.returning(Session.id))).scalars().all()


_IS_LIVE = and_(
    Session.id == bindparam("session_id"),
    User.id == bindparam("user_id"),
    Session.ended_at.is_(None),
    Session.expires_at > func.now(),
    User.disabled_at.is_(None),
)
_LIVE = DriverStatement(
    select(User.email, User.username, User.email_verified, User.roles)
    .join(Session, Session.user_id == User.id)
    .where(_IS_LIVE)
)
CALLER_ROLES = (
    select(User.roles)
    .join(Session, Session.user_id == User.id)
    .where(_IS_LIVE)
    .scalar_subquery()
    .label("caller_roles")
)
"""The caller's present roles, for statements with `session_id` and `user_id`; null where `find_live` gives None."""


async def find_live(database: Database, *, session_id: UUID, user_id: UUID) -> "asyncpg.Record | None":
    """Names and roles of the account, if the session is its own and live, and the account is not disabled."""
    return await database.fetch_record(_LIVE, session_id=session_id, user_id=user_id)


async def lock_current_user(
    db: AsyncSession, user_id: UUID, *, session_id: UUID, changes_key: bool
) -> AnyRow | None:
    """The account, if the session is its own and live, and the account is not disabled; both rows are locked.
    `changes_key` as in `auth.sessions.current_user.lock_current_user`."""
    # Two statements: the second one reads what a transaction that the first one waited for has changed.
    account_row = select(User.id).where(User.id == user_id)
    await db.execute(account_row.with_for_update(key_share=not changes_key))
    statement = (
        select(User.id, User.email, User.email_verified, User.roles)
        .join(Session, Session.user_id == User.id)
        .where(
            User.id == user_id,
            User.disabled_at.is_(None),
            Session.id == session_id,
            Session.ended_at.is_(None),
            Session.expires_at > func.now(),
        )
    )
    return (await db.execute(statement.with_for_update(read=True, of=Session))).one_or_none()


async def delete_old(db: AsyncSession) -> int:
    """Delete a batch of sessions that ended or expired `KEPT_AFTER_END` ago, passing over locked ones; gives their number."""
    over = or_(
        Session.ended_at < func.now() - KEPT_AFTER_END, Session.expires_at < func.now() - KEPT_AFTER_END
    )
    due = select(Session.id).where(over).limit(_BATCH).with_for_update(skip_locked=True)
    statement = delete(Session).where(Session.id.in_(due)).returning(Session.id)
    return len((await db.execute(statement)).all())


async def delete_challenges(db: AsyncSession, user_id: UUID) -> None:
    """Delete an account's login challenges. Call it after locking or changing the account's row."""
    await db.execute(delete(LoginChallenge).where(LoginChallenge.user_id == user_id))


_PAGE = prepare_page(
    select(
        json_item(
            id=Session.id,
            created_at=json_timestamp(Session.created_at),
            last_used_at=json_timestamp(func.coalesce(Session.rotated_at, Session.created_at)),
            expires_at=json_timestamp(Session.expires_at),
            ip=func.host(Session.ip),
            user_agent=Session.user_agent,
            method=Session.amr,
            current=Session.id == bindparam("session_id"),
        ),
        Session.id,
    )
    .where(
        Session.user_id == bindparam("user_id"),
        Session.id < bindparam("before"),
        Session.ended_at.is_(None),
        Session.expires_at > func.now(),
    )
    .order_by(Session.id.desc()),
    CALLER_ROLES,
)


async def find_page(database: Database, caller: Caller, *, before: UUID, limit: int) -> "asyncpg.Record":
    """A page of the caller's live sessions below the id `before`, newest first, as JSON of `SessionAnswer`, with
    `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )
