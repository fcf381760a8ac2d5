"""Statements on links in mails, and on what they change."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail.repository import reserved_for
from auth.models import EmailToken, User
from dbcommon.rows import AnyRow

_USER = (
    User.id,
    User.email,
    User.username,
    User.email_verified,
    User.roles,
    User.created_at,
    User.updated_at,
)


async def find_token(db: AsyncSession, token_hash: str) -> AnyRow | None:
    """An unused, unexpired token. It is not locked: the account has to be locked first."""
    statement = select(
        EmailToken.id,
        EmailToken.kind,
        EmailToken.user_id,
        EmailToken.email,
        EmailToken.was_verified,
        EmailToken.created_at,
    ).where(
        EmailToken.token_hash == token_hash,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )
    return (await db.execute(statement)).one_or_none()


async def lock_enabled_user(db: AsyncSession, user_id: UUID, *, changes_key: bool = False) -> AnyRow | None:
    """The account, locked; None when it is disabled. `changes_key` as in `lock_current_user`."""
    statement = select(*_USER).where(User.id == user_id, User.disabled_at.is_(None))
    return (await db.execute(statement.with_for_update(key_share=not changes_key))).one_or_none()


async def use_token(db: AsyncSession, token_id: UUID) -> bool:
    """Mark a token as used; False when it was used already, or has expired."""
    statement = (
        update(EmailToken)
        .where(EmailToken.id == token_id, EmailToken.used_at.is_(None), EmailToken.expires_at > func.now())
        .values(used_at=func.now())
        .returning(EmailToken.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def set_email(db: AsyncSession, user_id: UUID, email: str, *, verified: bool) -> AnyRow:
    """Set the address of an account. A taken one violates `uq_users_email`."""
    statement = (
        update(User)
        .where(User.id == user_id)
        .values(email=email, email_verified=verified, updated_at=func.now())
        .returning(*_USER)
    )
    return (await db.execute(statement)).one()


async def is_reserved(db: AsyncSession, email: str, *, user_id: UUID) -> bool:
    """Whether the address is reserved for another account."""
    others = reserved_for(email).where(EmailToken.user_id != user_id)
    return bool((await db.execute(select(others.exists()))).scalar_one())


async def set_password(db: AsyncSession, user_id: UUID, password_hash: str) -> None:
    """Replace the password. The address is verified too, since its mail was read."""
    await db.execute(
        update(User)
        .where(User.id == user_id)
        .values(password_hash=password_hash, email_verified=True, updated_at=func.now())
    )


async def find_change_time(db: AsyncSession, link: AnyRow) -> datetime:
    """When the change that a link reverts was requested; of several requests from one address, the first."""
    statement = select(func.min(EmailToken.created_at)).where(
        EmailToken.user_id == link.user_id,
        EmailToken.kind == "revert_email",
        EmailToken.email == link.email,
        or_(EmailToken.id == link.id, EmailToken.used_at.is_(None)),
    )
    return (await db.execute(statement)).scalar_one()


async def delete_revert_tokens_since(db: AsyncSession, user_id: UUID, moment: datetime) -> None:
    """Delete the unused revert tokens of changes that were requested at that moment or later."""
    await db.execute(
        delete(EmailToken).where(
            EmailToken.user_id == user_id,
            EmailToken.kind == "revert_email",
            EmailToken.used_at.is_(None),
            EmailToken.created_at >= moment,
        )
    )
