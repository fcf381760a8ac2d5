"""The rules of reading players."""

from uuid import UUID

from dbcommon.engine import Database
from l2p.users import repository
from l2p.users.errors import PlayerNotFound
from l2p.users.schemas import OwnUser, PublicUser


async def read_own(database: Database, user_id: UUID) -> OwnUser:
    """The player's own row. Raises `PlayerNotFound`."""
    row = await repository.find_own(database, user_id)
    if row is None:
        raise PlayerNotFound
    return OwnUser.model_validate(row)


async def read_public(database: Database, user_id: UUID) -> PublicUser:
    """The part of a row that others may see. Raises `PlayerNotFound`."""
    row = await repository.find_public(database, user_id)
    if row is None:
        raise PlayerNotFound
    return PublicUser.model_validate(row)
