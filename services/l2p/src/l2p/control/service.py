"""The rules of the host's commands: each fits some phases, and is taken once however often it is sent."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.control import repository
from l2p.control.errors import GameOver, WrongPhase
from l2p.driver.phases import Phases
from l2p.driver.repository import lock_game
from l2p.games.errors import GameNotFound
from l2p.lobbies import service as lobby_rules
from l2p.lobbies.errors import LobbyNotFound
from l2p.log.log import LobbyLog
from l2p.ratings.service import Proposal


async def close_question(db: AsyncSession, game_id: UUID, *, player_id: UUID, phases: Phases) -> None:
    """Close the open question now. Each command raises `GameNotFound`, `NotTheHost`, `GameOver`, `WrongPhase`."""
    game = await _lock(db, game_id, player_id=player_id)
    _require(game, "question")
    await phases.close(db, game, reason="host")


async def open_next(
    db: AsyncSession, game_id: UUID, *, player_id: UUID, phases: Phases, ratings: Proposal | None
) -> None:
    """End the reveal: open the next question, or finish the game after the last. Raises `RatingsOutdated`, too."""
    game = await _lock(db, game_id, player_id=player_id)
    _require(game, "reveal")
    await phases.advance(db, game, ratings)


async def pause(db: AsyncSession, game_id: UUID, *, player_id: UUID, phases: Phases) -> None:
    """Stop the clock of the phase."""
    game = await _lock(db, game_id, player_id=player_id)
    _require(game, "starting", "question", "reveal")
    await phases.pause(db, game, reason="host")


async def resume(db: AsyncSession, game_id: UUID, *, player_id: UUID, phases: Phases) -> None:
    """Go on with the time that was left."""
    game = await _lock(db, game_id, player_id=player_id)
    _require(game, "paused")
    await phases.resume(db, game, since=game.paused_at)


async def abort(db: AsyncSession, game_id: UUID, *, player_id: UUID, log: LobbyLog) -> None:
    """End the game in any phase. It rates nobody, and its lobby is open again."""
    game = await _lock(db, game_id, player_id=player_id)
    await lobby_rules.abort_game(db, game.lobby_id, reason="host", log=log)


def _require(game: Row[Any], *statuses: str) -> None:
    if game.status not in statuses:
        raise WrongPhase(status=game.status)


async def _lock(db: AsyncSession, game_id: UUID, *, player_id: UUID) -> Row[Any]:
    lobby_id = await repository.find_lobby_of(db, game_id)
    if lobby_id is None:
        raise GameNotFound
    try:
        await lobby_rules.lock_as_host(db, lobby_id, player_id=player_id)
    except LobbyNotFound:
        raise GameNotFound from None
    game = await lock_game(db, game_id)
    if game is None:
        raise GameOver
    return game
