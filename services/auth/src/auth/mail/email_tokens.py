"""Statements on the tokens of links in mails, and on the addresses that they keep reserved."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    func,
    insert,
    null,
    or_,
    select,
    text,
    union,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import EmailToken, User
from dbcommon.models import new_id
from dbcommon.rows import AnyRow


async def find_proven_addresses(db: AsyncSession, user_id: UUID) -> Collection[str]:
    """The addresses of an account, the present one and those it may go back to, at which somebody has shown to read its
    mails."""
    present = select(User.email).where(User.id == user_id, User.email_verified)
    left = select(EmailToken.email).where(
        EmailToken.user_id == user_id, EmailToken.kind == "undo_email", EmailToken.was_proven
    )
    return set((await db.execute(union(present, left))).scalars())


async def upsert_token(
    db: AsyncSession, mail: AnyRow, *, user: AnyRow, token_hash: str, lifetime: timedelta
) -> bool:
    """The token of a mail that is about to be sent to `user.address`, its time running from now; it takes the place of the
    one before.

    False when this very token was used already: the mail had arrived, and only that it had was not written down.
    """
    values = {
        "kind": mail.kind,
        "user_id": user.id,
        "token_hash": token_hash,
        "email": user.address,
        "expires_at": func.now() + lifetime,
    }
    statement = upsert(EmailToken).values(id=new_id(), created_at=func.now(), **values)
    kept = await db.execute(
        statement.on_conflict_do_update(
            index_elements=[EmailToken.user_id, EmailToken.kind],
            # Spelt out: a parameter here would not match the index once the server plans for all values.
            index_where=text("kind <> 'undo_email'"),
            set_={
                "id": statement.excluded.id,
                "token_hash": statement.excluded.token_hash,
                "email": statement.excluded.email,
                "created_at": statement.excluded.created_at,
                "expires_at": statement.excluded.expires_at,
                "used_at": null(),
            },
            where=or_(EmailToken.token_hash != statement.excluded.token_hash, EmailToken.used_at.is_(None)),
        ).returning(EmailToken.id)
    )
    return kept.one_or_none() is not None


async def insert_undo_token(
    db: AsyncSession,
    *,
    user_id: UUID,
    token_hash: str,
    email: str,
    was_proven: bool,
    lifetime: timedelta,
) -> None:
    """The token that leads back to an address, which is as proven again as it was."""
    await db.execute(
        insert(EmailToken).values(
            id=new_id(),
            kind="undo_email",
            user_id=user_id,
            token_hash=token_hash,
            email=email,
            was_proven=was_proven,
            expires_at=func.now() + lifetime,
        )
    )


async def find_left_addresses(db: AsyncSession, user_id: UUID, *, address: str) -> Sequence[str]:
    """The addresses that an account may still go back to by a link, beside the one that it has."""
    statement = select(EmailToken.email).where(
        EmailToken.user_id == user_id,
        EmailToken.kind == "undo_email",
        EmailToken.email != address,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )
    return (await db.execute(statement.distinct())).scalars().all()


def can_be_taken_back(email: str) -> ColumnElement[bool]:
    """Of a row of `EmailToken`: whether it leads back to this address. The link of an account that had never proven it
    keeps nobody else from it."""
    return and_(
        EmailToken.kind == "undo_email",
        EmailToken.email == email,
        EmailToken.was_proven,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )


def former_holder(email: str) -> Select[UUID]:
    """The account that had this address until lately, and may go back to it."""
    return select(EmailToken.user_id).where(can_be_taken_back(email))
