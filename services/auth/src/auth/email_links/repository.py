"""Every statement of the links in mails."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.mail.email_tokens import former_holder
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
    """A token that could be used now, not locked: the account is to be locked first."""
    statement = select(
        EmailToken.id,
        EmailToken.kind,
        EmailToken.user_id,
        EmailToken.email,
        EmailToken.was_proven,
        EmailToken.created_at,
    ).where(
        EmailToken.token_hash == token_hash,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > func.now(),
    )
    return (await db.execute(statement)).one_or_none()


async def lock_enabled_user(db: AsyncSession, user_id: UUID, *, changes_key: bool = False) -> AnyRow | None:
    """The account, unless it is disabled; nobody else changes it until the transaction ends. `changes_key` as in
    `lock_own_account`."""
    statement = select(*_USER).where(User.id == user_id, User.disabled_at.is_(None))
    return (await db.execute(statement.with_for_update(key_share=not changes_key))).one_or_none()


async def use_token(db: AsyncSession, token_id: UUID) -> bool:
    """Use a token up; whether it was this call that did."""
    statement = (
        update(EmailToken)
        .where(EmailToken.id == token_id, EmailToken.used_at.is_(None), EmailToken.expires_at > func.now())
        .values(used_at=func.now())
        .returning(EmailToken.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def set_email(db: AsyncSession, user_id: UUID, email: str, *, is_proven: bool) -> AnyRow:
    """Give an account an address. A taken one violates `uq_users_email`."""
    statement = (
        update(User)
        .where(User.id == user_id)
        .values(email=email, email_verified=is_proven, updated_at=func.now())
        .returning(*_USER)
    )
    return (await db.execute(statement)).one()


async def is_reserved(db: AsyncSession, email: str, *, user_id: UUID) -> bool:
    """Whether another account can still take the address back."""
    others = former_holder(email).where(EmailToken.user_id != user_id)
    return bool((await db.execute(select(others.exists()))).scalar_one())


async def set_password(db: AsyncSession, user_id: UUID, password_hash: str) -> None:
    """Replace the password; whoever read the mail has proven the address too."""
    await db.execute(
        update(User)
        .where(User.id == user_id)
        .values(password_hash=password_hash, email_verified=True, updated_at=func.now())
    )


async def find_departure(db: AsyncSession, link: AnyRow) -> datetime:
    """When the change that a link takes back began: of several that were asked for at one address, the first."""
    statement = select(func.min(EmailToken.created_at)).where(
        EmailToken.user_id == link.user_id,
        EmailToken.kind == "undo_email",
        EmailToken.email == link.email,
        or_(EmailToken.id == link.id, EmailToken.used_at.is_(None)),
    )
    return (await db.execute(statement)).scalar_one()


async def void_undo_tokens_since(db: AsyncSession, user_id: UUID, moment: datetime) -> None:
    """Void the ways back to addresses that were left at that moment or later; earlier ones stay."""
    await db.execute(
        delete(EmailToken).where(
            EmailToken.user_id == user_id,
            EmailToken.kind == "undo_email",
            EmailToken.used_at.is_(None),
            EmailToken.created_at >= moment,
        )
    )
