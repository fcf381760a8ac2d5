"""`/v1/leaderboard`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from dbcommon.session import DatabaseDep
from l2p.dependencies import ClockDep, PlayerDep
from l2p.guest_access.errors import GuestNotAllowed
from l2p.leaderboards import service
from l2p.leaderboards.errors import RatingHasNoPeriod
from l2p.leaderboards.periods import Period
from l2p.leaderboards.schemas import Leaderboard
from l2p.models import Board
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/leaderboard", tags=["leaderboard"], responses=problem_responses(Unauthorized, GuestNotAllowed)
)

PeriodParameter = Annotated[
    Period, Query(description="The current one, in UTC; weeks begin on Monday. Only `all` for ratings.")
]
AroundParameter = Annotated[
    Literal["me"] | None, Query(description="Begin so that you are in the middle, rather than at rank 1.")
]


@router.get(
    "",
    operation_id="read_leaderboard",
    summary="Read a leaderboard",
    response_model=Leaderboard,
    responses=problem_responses(RatingHasNoPeriod),
)
@fast_path
async def read_leaderboard(
    player: PlayerDep,
    database: DatabaseDep,
    clock: ClockDep,
    cursors: CursorsDep,
    by: Board = "rating",
    period: PeriodParameter = "all",
    around: AroundParameter = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Players with the highest rating, score or number of wins in finished games; equal values share a rank."""
    return await service.read_board(
        database,
        by=by,
        period=period,
        player_id=player.id,
        around_me=around is not None,
        now=clock.now(),
        cursors=cursors,
        cursor=cursor,
        limit=limit,
    )
