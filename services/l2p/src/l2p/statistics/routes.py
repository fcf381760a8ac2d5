"""`/v1/users/{user_id}/stats` and `/v1/users/{user_id}/games`."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from dbcommon.session import DatabaseDep
from l2p.dependencies import get_player
from l2p.guest_access.errors import GuestNotAllowed
from l2p.statistics import service
from l2p.statistics.schemas import PlayedGame, Statistics
from l2p.users.errors import PlayerNotFound
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/users/{user_id}",
    tags=["users"],
    responses=problem_responses(Unauthorized, GuestNotAllowed, PlayerNotFound),
    dependencies=[Depends(get_player)],
)


@router.get(
    "/stats", operation_id="read_statistics", summary="Read a player's statistics", response_model=Statistics
)
@fast_path
async def read_statistics(user_id: UUID, database: DatabaseDep) -> Response:
    """Numbers over all finished games of a player, and how the rating changed. Aborted games do not count."""
    return await service.read_statistics(database, user_id)


@router.get(
    "/games",
    operation_id="list_games_of_user",
    summary="List a player's games",
    response_model=Page[PlayedGame],
)
@fast_path
async def list_games_of_user(
    user_id: UUID,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The finished games of a player, newest first, with the player's rank and rating change in each."""
    return await service.list_games(database, user_id, cursors=cursors, cursor=cursor, limit=limit)
