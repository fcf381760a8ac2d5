"""The rules of ratings: who is rated, and that a change is made from what the rating is at that moment."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from l2p.ratings import repository
from l2p.ratings.calculation import Entry, Rating
from l2p.ratings.calculator import RatingCalculator
from l2p.ratings.errors import RatingsBusy
from l2p.ratings.repository import RatedPlayer
from l2p.scoring.rules import rank_scores

ATTEMPTS = 10
"""How often the ratings of a game are calculated at most before its end is tried again later."""

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Ratings for players as they were when these were calculated."""

    players: Sequence[RatedPlayer]
    ratings: Sequence[Rating]


class RatingsOutdated(Exception):
    """A game cannot be finished with these ratings: there are none, or another game has changed one meanwhile."""


class Ratings:
    """Proposes ratings for games whose scores are final."""

    def __init__(self, database: Database, calculator: RatingCalculator) -> None:
        self._database = database
        self._calculator = calculator

    async def propose_for(
        self, game_id: UUID, work: Callable[[Proposal | None], Awaitable[Result]]
    ) -> Result:
        """The result of `work`, which may finish the game in a transaction of its own.

        It is called without ratings at first. When it raises `RatingsOutdated`, they are calculated, while no transaction
        is open, and it is called again. Raises `RatingsBusy` when that went on for too long.
        """
        proposal = None
        for _ in range(ATTEMPTS):
            try:
                return await work(proposal)
            except RatingsOutdated:
                proposal = await self._propose(game_id)
        try:
            return await work(proposal)
        except RatingsOutdated:
            raise RatingsBusy from None

    async def _propose(self, game_id: UUID) -> Proposal:
        players = await repository.find_rated(self._database, game_id)
        if len(players) < 2:
            return Proposal(players=players, ratings=())
        ranks = rank_scores([player.score for player in players])
        entries = [
            Entry(rank, Rating(player.mu, player.sigma)) for rank, player in zip(ranks, players, strict=True)
        ]
        return Proposal(players=players, ratings=await self._calculator.rate(entries))


async def apply(db: AsyncSession, game_id: UUID, proposal: Proposal | None) -> None:
    """Store the proposed ratings in the transaction that finishes the game. Raises `RatingsOutdated`."""
    if proposal is None:
        raise RatingsOutdated
    players = await repository.lock_rated(db, game_id)
    if players != proposal.players:
        raise RatingsOutdated
    if proposal.ratings:
        await repository.store_changes(db, players, proposal.ratings)
