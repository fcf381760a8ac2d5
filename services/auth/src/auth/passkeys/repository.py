"""Statements on passkeys."""

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
    """An account's passkeys, oldest first."""
    statement = select(*_SHOWN).where(Passkey.user_id == user_id).order_by(Passkey.id)
    return await database.fetch_all(statement)


async def find_credentials(database: Database, user_id: UUID) -> Sequence[AnyRow]:
    """The credential ids and transports of an account's passkeys."""
    statement = select(Passkey.credential_id, Passkey.transports).where(Passkey.user_id == user_id)
    return await database.fetch_all(statement.order_by(Passkey.id))


async def find_by_credential(database: Database, credential_id: bytes) -> "asyncpg.Record | None":
    """The account, the public key and the signature counter of a passkey."""
    return await database.fetch_record(_BY_CREDENTIAL, credential_id=credential_id)


async def count_passkeys(db: AsyncSession, user_id: UUID) -> int:
    """The number of an account's passkeys. Lock the account before, so that none is added meanwhile."""
    statement = select(func.count()).where(Passkey.user_id == user_id)
    return (await db.execute(statement)).scalar_one()


async def insert_passkey(db: AsyncSession, user_id: UUID, new: NewPasskey, *, name: str) -> AnyRow:
    """Store a passkey. One that is registered already violates `uq_passkeys_credential_id`."""
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


async def use_challenge(db: AsyncSession, challenge: bytes, *, expires_at: datetime) -> bool:
    """Store a challenge as used; whether this call did."""
    statement = upsert(PasskeyChallenge).values(
        challenge_hash=hash_challenge(challenge), expires_at=expires_at
    )
    used = statement.on_conflict_do_nothing().returning(PasskeyChallenge.challenge_hash)
    return (await db.execute(used)).one_or_none() is not None


async def record_use(db: AsyncSession, passkey_id: UUID, *, sign_count: int) -> bool:
    """Store the signature counter; False if the passkey was removed, or has this count or a higher one already."""
    forward = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey_id, forward)
        .values(sign_count=sign_count, last_used_at=func.now())
        .returning(Passkey.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def rename_passkey(db: AsyncSession, passkey_id: UUID, *, user_id: UUID, name: str) -> AnyRow | None:
    """Rename a passkey of an account; None if there is none."""
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey_id, Passkey.user_id == user_id)
        .values(name=name)
        .returning(*_SHOWN)
    )
    return (await db.execute(statement)).one_or_none()


async def delete_passkey(db: AsyncSession, passkey_id: UUID, *, user_id: UUID) -> bool:
    """Delete a passkey of an account; whether there was one."""
    statement = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id)
    return (await db.execute(statement.returning(Passkey.id))).one_or_none() is not None


async def delete_expired(db: AsyncSession) -> int:
    """Delete a batch of used challenges that have expired; gives their number."""
    due = (
        select(PasskeyChallenge.challenge_hash)
        .where(PasskeyChallenge.expires_at <= func.now())
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(PasskeyChallenge).where(PasskeyChallenge.challenge_hash.in_(due))
    return len((await db.execute(statement.returning(PasskeyChallenge.challenge_hash))).all())
