"""`/v1/games/{game_id}/verify`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from dbcommon.session import DatabaseDep
from l2p.dependencies import PlayerDep
from l2p.games.errors import GameNotFound
from l2p.guest_access.errors import GuestNotAllowed
from l2p.ratings.calculator import RatingCalculator
from l2p.verification import service
from l2p.verification.errors import GameNotOver
from l2p.verification.schemas import Verification
from webcommon.api.problems import Unauthorized, problem_responses
from webcommon.app.state import component

router = APIRouter(
    prefix="/v1/games", tags=["games"], responses=problem_responses(Unauthorized, GuestNotAllowed)
)

CalculatorDep = Annotated[RatingCalculator, component(RatingCalculator)]


@router.post(
    "/{game_id}/verify",
    operation_id="verify_game",
    summary="Verify a game",
    responses=problem_responses(GameNotFound, GameNotOver),
)
async def verify_game(
    game_id: UUID, player: PlayerDep, database: DatabaseDep, calculator: CalculatorDep
) -> Verification:
    """Compute scores, ranks and rating changes anew from the stored answers, and compare; for the host and the participants."""
    return await service.verify_game(database, calculator, game_id, user_id=player.id)
