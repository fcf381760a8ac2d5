"""Every statement on passkeys."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import Passkey, PasskeyChallenge
from auth.passkeys.challenges import hash_challenge
from auth.passkeys.verification import NewPasskey
from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow

_SHOWN = (Passkey.id, Passkey.name, Passkey.created_at, Passkey.last_used_at)

_BATCH = 1_000

_BY_CREDENTIAL = DriverStatement(
    select(Passkey.id, Passkey.user_id, Passkey.public_key, Passkey.sign_count).where(
        Passkey.credential_id == bindparam("credential_id")
    )
)


async def find_passkeys(database: Database, user_id: UUID) -> Sequence[AnyRow]:
    """An account's passkeys, the oldest first."""
    statement = select(*_SHOWN).where(Passkey.user_id == user_id).order_by(Passkey.id)
    return await database.fetch_all(statement)


async def find_credentials(database: Database, user_id: UUID) -> Sequence[AnyRow]:
    """By what a browser knows an account's passkeys."""
    statement = select(Passkey.credential_id, Passkey.transports).where(Passkey.user_id == user_id)
    return await database.fetch_all(statement.order_by(Passkey.id))


async def find_by_credential(database: Database, credential_id: bytes) -> "asyncpg.Record | None":
    """Whose passkey it is, and what its signatures are checked with."""
    return await database.fetch_record(_BY_CREDENTIAL, credential_id=credential_id)


async def count_passkeys(db: AsyncSession, user_id: UUID) -> int:
    """How many an account has. Its row is to be locked, or others may add some meanwhile."""
    statement = select(func.count()).where(Passkey.user_id == user_id)
    return (await db.execute(statement)).scalar_one()


async def insert_passkey(db: AsyncSession, user_id: UUID, new: NewPasskey, *, name: str) -> AnyRow:
    """Store a passkey. A known one breaks `uq_passkeys_credential_id`."""
    statement = insert(Passkey).values(
        id=new_id(),
        user_id=user_id,
        name=name,
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        transports=new.transports,
    )
    return (await db.execute(statement.returning(*_SHOWN))).one()


async def spend_challenge(db: AsyncSession, challenge: bytes, *, ends_at: datetime) -> bool:
    """Write down that a challenge was answered; whether it was this call that did."""
    statement = upsert(PasskeyChallenge).values(challenge_hash=hash_challenge(challenge), expires_at=ends_at)
    spent = statement.on_conflict_do_nothing().returning(PasskeyChallenge.challenge_hash)
    return (await db.execute(spent)).one_or_none() is not None


async def note_use(db: AsyncSession, passkey_id: UUID, *, sign_count: int) -> bool:
    """Write down a signature; False when the passkey was removed, or another with this count or a higher one was quicker."""
    forward = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey_id, forward)
        .values(sign_count=sign_count, last_used_at=func.now())
        .returning(Passkey.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def rename_passkey(db: AsyncSession, passkey_id: UUID, *, user_id: UUID, name: str) -> AnyRow | None:
    """Give one of an account's passkeys another name."""
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey_id, Passkey.user_id == user_id)
        .values(name=name)
        .returning(*_SHOWN)
    )
    return (await db.execute(statement)).one_or_none()


async def delete_passkey(db: AsyncSession, passkey_id: UUID, *, user_id: UUID) -> bool:
    """Remove one of an account's passkeys; whether there was one."""
    statement = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id)
    return (await db.execute(statement.returning(Passkey.id))).one_or_none() is not None


async def delete_expired(db: AsyncSession) -> int:
    """Forget some answered challenges whose time is over, since that alone refuses them; how many."""
    due = (
        select(PasskeyChallenge.challenge_hash)
        .where(PasskeyChallenge.expires_at <= func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(PasskeyChallenge).where(PasskeyChallenge.challenge_hash.in_(due))
    return len((await db.execute(statement.returning(PasskeyChallenge.challenge_hash))).all())
