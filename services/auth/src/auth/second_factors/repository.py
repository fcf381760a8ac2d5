"""Statements on second factors and login challenges."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from sqlalchemy import Text, and_, bindparam, delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import LoginChallenge, Passkey, RecoveryCode, Session, TotpSecret, User
from auth.models.sessions import AuthenticationMethod
from auth.sessions.recognised_devices import DEVICE_BINDING
from auth.sessions.repository import delete_challenges
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.rows import AnyRow

CHALLENGE_LIFETIME = timedelta(minutes=5)
"""For this long after the first factor a code of the second is accepted."""

_BATCH = 1_000


async def read_factors(db: AsyncSession, user_id: UUID, *, session_id: UUID) -> AnyRow:
    """An account and its second factor. Lock the account before, so that concurrent changes wait.

    `never_verified`: the session began before the factor was confirmed, and is not the one that confirmed it.
    """
    statement = (
        select(
            User.id,
            User.email,
            TotpSecret.secret,
            TotpSecret.confirmed_at,
            and_(
                TotpSecret.confirmed_at.is_not(None),
                Session.created_at < TotpSecret.confirmed_at,
                TotpSecret.confirmed_by != Session.id,
            ).label("never_verified"),
        )
        .join(Session, and_(Session.id == session_id, Session.user_id == User.id))
        .outerjoin(TotpSecret, TotpSecret.user_id == User.id)
        .where(User.id == user_id)
    )
    return (await db.execute(statement)).one()


async def store_pending_secret(db: AsyncSession, user_id: UUID, *, secret: bytes) -> bool:
    """Store an unconfirmed secret, replacing an unconfirmed one; False if there is a confirmed one."""
    statement = upsert(TotpSecret).values(user_id=user_id, secret=secret)
    kept = statement.on_conflict_do_update(
        index_elements=[TotpSecret.user_id],
        set_={"secret": statement.excluded.secret, "created_at": func.now()},
        where=TotpSecret.confirmed_at.is_(None),
    ).returning(TotpSecret.user_id)
    return (await db.execute(kept)).one_or_none() is not None


async def confirm_secret(db: AsyncSession, user_id: UUID, *, step: int, session_id: UUID) -> bool:
    """Confirm the secret with the code of a step, which is used up; whether this call did."""
    statement = (
        update(TotpSecret)
        .where(TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_(None))
        .values(confirmed_at=func.now(), confirmed_by=session_id, last_step=step)
        .returning(TotpSecret.user_id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def find_confirmed_secret(db: AsyncSession, user_id: UUID) -> bytes | None:
    """The encrypted secret, if it is confirmed."""
    statement = select(TotpSecret.secret).where(
        TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None)
    )
    secret: bytes | None = (await db.execute(statement)).scalar_one_or_none()
    return secret


async def use_step(db: AsyncSession, user_id: UUID, *, step: int) -> bool:
    """Use up the codes until this step; False if this one or a later one was used."""
    statement = (
        update(TotpSecret)
        .where(
            TotpSecret.user_id == user_id,
            TotpSecret.confirmed_at.is_not(None),
            TotpSecret.last_step < step,
        )
        .values(last_step=step)
        .returning(TotpSecret.user_id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def delete_secret(db: AsyncSession, user_id: UUID) -> bool:
    """Delete the secret, its recovery codes and the login challenges; whether it was confirmed."""
    await delete_challenges(db, user_id)
    statement = delete(TotpSecret).where(TotpSecret.user_id == user_id).returning(TotpSecret.confirmed_at)
    return (await db.execute(statement)).scalar_one_or_none() is not None


async def replace_recovery_codes(db: AsyncSession, user_id: UUID, *, code_hashes: Sequence[bytes]) -> None:
    """Replace all recovery codes of an account."""
    await db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    await db.execute(insert(RecoveryCode), [{"user_id": user_id, "code_hash": each} for each in code_hashes])


async def use_recovery_code(db: AsyncSession, user_id: UUID, *, code_hash: bytes) -> bool:
    """Use up a code; whether this call did."""
    statement = (
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == code_hash,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=func.now())
        .returning(RecoveryCode.user_id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def clear_reverification(db: AsyncSession, user_id: UUID) -> None:
    """Note that a code of the account's second factor was verified."""
    await db.execute(
        update(TotpSecret)
        .where(TotpSecret.user_id == user_id, TotpSecret.needs_reverification)
        .values(needs_reverification=False)
    )


async def count_recovery_codes(db: AsyncSession, user_id: UUID) -> int:
    """The number of unused codes."""
    left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return (await db.execute(left)).scalar_one()


async def read_status(database: Database, user_id: UUID) -> AnyRow | None:
    """The second factor, recovery codes and passkeys of an account."""
    codes = select(func.count()).where(RecoveryCode.user_id == User.id, RecoveryCode.used_at.is_(None))
    passkeys = select(func.count()).where(Passkey.user_id == User.id)
    statement = (
        select(
            TotpSecret.confirmed_at.label("totp_enabled_at"),
            codes.scalar_subquery().label("recovery_codes_left"),
            passkeys.scalar_subquery().label("passkeys"),
        )
        .select_from(User)
        .outerjoin(TotpSecret, TotpSecret.user_id == User.id)
        .where(User.id == user_id)
    )
    return await database.fetch_one(statement)


async def insert_challenge(
    db: AsyncSession,
    user_id: UUID,
    *,
    token_hash: str,
    amr: AuthenticationMethod,
    client_id: str,
    scope: str,
    password_hash: str | None,
) -> bool:
    """Store a login challenge; False if the account is deleted or disabled, or no longer has the verified password.

    The share lock, as for a new session, makes a concurrent change of the account wait, which then deletes the challenge.
    """
    account = select(User.id).where(
        User.id == user_id,
        User.disabled_at.is_(None),
        or_(literal(password_hash, Text()).is_(None), User.password_hash == password_hash),
    )
    whose = account.with_for_update(read=True).cte("account")
    values = {
        LoginChallenge.token_hash: literal(token_hash),
        LoginChallenge.user_id: whose.c.id,
        LoginChallenge.amr: literal(amr, Text()),
        LoginChallenge.client_id: literal(client_id),
        LoginChallenge.scope: literal(scope),
        LoginChallenge.expires_at: func.now() + CHALLENGE_LIFETIME,
    }
    statement = insert(LoginChallenge).from_select(
        list(values), select(*values.values()).select_from(whose), include_defaults=False
    )
    return (await db.execute(statement.returning(LoginChallenge.token_hash))).one_or_none() is not None


_CHALLENGE = DriverStatement(
    select(
        LoginChallenge.token_hash,
        LoginChallenge.user_id,
        LoginChallenge.amr,
        DEVICE_BINDING.label("device_binding"),
    )
    .join(User, User.id == LoginChallenge.user_id)
    .where(
        LoginChallenge.token_hash == bindparam("token_hash"),
        LoginChallenge.expires_at > func.now(),
    )
)


async def find_challenge(database: Database, token_hash: str) -> "asyncpg.Record | None":
    """A login challenge that has not expired. Locks nothing."""
    return await database.fetch_record(_CHALLENGE, token_hash=token_hash)


async def lock_user(db: AsyncSession, user_id: UUID) -> AnyRow | None:
    """The account, locked, unless it is disabled."""
    statement = select(User.id, User.email).where(User.id == user_id, User.disabled_at.is_(None))
    return (await db.execute(statement.with_for_update(key_share=True))).one_or_none()


async def use_challenge(db: AsyncSession, token_hash: str, *, client_id: str, scope: str) -> bool:
    """Delete a login challenge of that client and scope; False if it is finished, voided, expired or another's."""
    statement = (
        delete(LoginChallenge)
        .where(
            LoginChallenge.token_hash == token_hash,
            LoginChallenge.client_id == client_id,
            LoginChallenge.scope == scope,
            LoginChallenge.expires_at > func.now(),
        )
        .returning(LoginChallenge.token_hash)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def delete_expired(db: AsyncSession) -> int:
    """Delete a batch of expired login challenges; gives their number."""
    due = (
        select(LoginChallenge.token_hash)
        .where(LoginChallenge.expires_at <= func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(LoginChallenge).where(LoginChallenge.token_hash.in_(due))
    return len((await db.execute(statement.returning(LoginChallenge.token_hash))).all())
