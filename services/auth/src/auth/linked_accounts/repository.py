"""Every statement of the routes of linked accounts."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import OAuthAccount
from auth.sessions.repository import CALLER_ROLES, AnyRow
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from webcommon.bearer import Caller
from dbcommon.json_rows import json_item, json_timestamp
from dbcommon.reads import PreparedRead
from dbcommon.rows import AnyRow

_PAGE = prepare_page(
    select(
        json_item(
            id=OAuthAccount.id,
            provider=OAuthAccount.provider,
            provider_account_id=OAuthAccount.provider_account_id,
            created_at=json_timestamp(OAuthAccount.created_at),
        ),
        OAuthAccount.id,
    )
    .where(OAuthAccount.user_id == bindparam("user_id"), OAuthAccount.id < bindparam("before"))
    .order_by(OAuthAccount.id.desc()),
    CALLER_ROLES,
)


async def find_page(database: Database, caller: Caller, *, before: UUID, limit: int) -> "asyncpg.Record":
    """What is linked to the caller's account, the newest first, from the one after `before` on: a page of the JSON of
    `LinkedAccountAnswer`, and the `CALLER_ROLES`."""
    return await database.fetch_page(
        _PAGE, user_id=caller.id, session_id=caller.session_id, before=before, limit=limit
    )


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
