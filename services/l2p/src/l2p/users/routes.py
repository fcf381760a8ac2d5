"""`/v1/users`."""

from uuid import UUID

from fastapi import APIRouter, Depends

from dbcommon.session import DatabaseDep
from l2p.dependencies import PlayerDep, get_player
from l2p.guest_access.errors import GuestNotAllowed
from l2p.users import service
from l2p.users.errors import PlayerNotFound
from l2p.users.schemas import OwnUser, PublicUser
from webcommon.api.problems import Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/users",
    tags=["users"],
    responses=problem_responses(Unauthorized, GuestNotAllowed, PlayerNotFound),
)


@router.get("/me", operation_id="read_own_user", summary="Read your own player")
async def read_own_user(player: PlayerDep, database: DatabaseDep) -> OwnUser:
    """The caller as a player: name, e-mail address and rating."""
    return await service.read_own(database, player.id)


@router.get(
    "/{user_id}", operation_id="read_user", summary="Read a player", dependencies=[Depends(get_player)]
)
async def read_user(user_id: UUID, database: DatabaseDep) -> PublicUser:
    """What every signed-in user may see of a player, without the e-mail address."""
    return await service.read_public(database, user_id)
