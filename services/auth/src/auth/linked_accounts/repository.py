"""Every statement of the routes of linked accounts."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import OAuthAccount
from auth.sessions.repository import AnyRow
from dbcommon.engine import Database


async def find_linked(
    database: Database, user_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """What is linked to an account, the newest first, from the one after `before` on."""
    statement = select(
        OAuthAccount.id, OAuthAccount.provider, OAuthAccount.provider_account_id, OAuthAccount.created_at
    ).where(OAuthAccount.user_id == user_id)
    if before is not None:
        statement = statement.where(OAuthAccount.id < before)
    return await database.fetch_all(statement.order_by(OAuthAccount.id.desc()).limit(limit))


async def find_tokens(session: AsyncSession, user_id: UUID) -> Sequence[AnyRow]:
    """The provider's id and token of whatever is linked to an account and has one."""
    statement = select(OAuthAccount.provider_account_id, OAuthAccount.access_token).where(
        OAuthAccount.user_id == user_id, OAuthAccount.access_token.is_not(None)
    )
    return (await session.execute(statement)).all()


async def delete_link(session: AsyncSession, link_id: UUID, *, user_id: UUID) -> AnyRow | None:
    """Unlink one of an account's own; the provider's id and token of it, None when there is no such link."""
    statement = (
        delete(OAuthAccount)
        .where(OAuthAccount.id == link_id, OAuthAccount.user_id == user_id)
        .returning(OAuthAccount.provider_account_id, OAuthAccount.access_token)
    )
    return (await session.execute(statement)).one_or_none()
