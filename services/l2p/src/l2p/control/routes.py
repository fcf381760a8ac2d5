"""`/v1/games/{game_id}/close`, `next`, `pause`, `resume` and `abort`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.session import DatabaseDep
from l2p.control import service
from l2p.control.errors import GameOver, WrongPhase
from l2p.dependencies import LogDep, PlayerDep, ProvisionerDep
from l2p.driver.dependencies import PhasesDep
from l2p.games.errors import GameNotFound
from l2p.games.schemas import Game
from l2p.games.service import read_state
from l2p.guest_access.errors import GuestNotAllowed
from l2p.lobbies.errors import LobbyClosed, NotTheHost
from l2p.ratings.errors import RatingsBusy
from webcommon.api.problems import Unauthorized, problem_responses

router = APIRouter(
    prefix="/v1/games/{game_id}",
    tags=["games"],
    responses=problem_responses(
        Unauthorized, GuestNotAllowed, NotTheHost, GameNotFound, GameOver, LobbyClosed, WrongPhase
    ),
)


@dataclass(frozen=True)
class Command:
    """Takes a command, and reads the state that the game is in then."""

    game_id: UUID
    player: PlayerDep
    provisioner: ProvisionerDep
    database: DatabaseDep

    async def take(self, work: Callable[[AsyncSession], Awaitable[None]]) -> Response:
        """The response with the JSON of `Game`."""
        await self.provisioner.write(self.player, work)
        return await read_state(self.database, self.game_id, user_id=self.player.id)


CommandDep = Annotated[Command, Depends()]


@router.post("/close", operation_id="close_question", summary="Close the open question", response_model=Game)
async def close_question(command: CommandDep, phases: PhasesDep) -> Response:
    """Close the open question before its time is over; the host only. Answers that arrive later do not count."""
    return await command.take(
        lambda db: service.close_question(db, command.game_id, player_id=command.player.id, phases=phases)
    )


@router.post(
    "/next",
    operation_id="open_next_question",
    summary="End the reveal",
    response_model=Game,
    responses=problem_responses(RatingsBusy),
)
async def open_next_question(command: CommandDep, phases: PhasesDep) -> Response:
    """Open the next question, or finish the game after the last; the host only. Several at once are one step."""
    return await phases.ratings.propose_for(
        command.game_id,
        lambda ratings: command.take(
            lambda db: service.open_next(
                db, command.game_id, player_id=command.player.id, phases=phases, ratings=ratings
            )
        ),
    )


@router.post("/pause", operation_id="pause_game", summary="Pause a game", response_model=Game)
async def pause_game(command: CommandDep, phases: PhasesDep) -> Response:
    """Stop the clock; the host only. No answer is taken until `resume`."""
    return await command.take(
        lambda db: service.pause(db, command.game_id, player_id=command.player.id, phases=phases)
    )


@router.post("/resume", operation_id="resume_game", summary="Let a game go on", response_model=Game)
async def resume_game(command: CommandDep, phases: PhasesDep) -> Response:
    """Go on with the time that was left at the pause; the host only."""
    return await command.take(
        lambda db: service.resume(db, command.game_id, player_id=command.player.id, phases=phases)
    )


@router.post("/abort", operation_id="abort_game", summary="Abort a game", response_model=Game)
async def abort_game(command: CommandDep, log: LogDep) -> Response:
    """End the game now; the host only. It rates nobody, and the lobby waits for the next one."""
    return await command.take(
        lambda db: service.abort(db, command.game_id, player_id=command.player.id, log=log)
    )
