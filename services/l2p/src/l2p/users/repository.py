"""The statements on players."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select

from dbcommon.engine import Database
from l2p.models import DISPLAY_NAME, User

PUBLIC_COLUMNS = (User.id, DISPLAY_NAME.label("username"), User.rating, User.created_at)
OWN_COLUMNS = (*PUBLIC_COLUMNS, User.email)

_PUBLIC = select(*PUBLIC_COLUMNS).where(User.id == bindparam("user_id"))
_OWN = select(*OWN_COLUMNS).where(User.id == bindparam("user_id"))


async def find_own(database: Database, user_id: UUID) -> Row[Any] | None:
    """The whole row, as its owner may see it."""
    return await database.fetch_one(_OWN, {"user_id": user_id})


async def find_public(database: Database, user_id: UUID) -> Row[Any] | None:
    """The part of a row that others may see."""
    return await database.fetch_one(_PUBLIC, {"user_id": user_id})
