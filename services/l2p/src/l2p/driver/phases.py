"""The steps of a game, each in one transaction that holds the lobby, then the game, and writes its events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from l2p.driver import repository
from l2p.leases import repository as leases
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.ratings.service import Proposal, Ratings, apply

CLOSE_DELAY = timedelta(milliseconds=250)
"""How long after `closes_at` a question is closed: answers that arrived in time may still be on their way into the database."""


class LeaseLost(Exception):
    """Another process drives the game, or it is over."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right of this process to drive a game."""

    game_id: UUID
    lobby_id: UUID
    epoch: int
    holder: UUID


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a game stands after a step: whether it is over, and when its next step is due (None: the host decides)."""

    is_over: bool
    due_at: datetime | None


class Phases:
    """Takes the steps of games whose lease this process holds. Each raises `LeaseLost` and `DatabaseError`."""

    def __init__(self, database: Database, log: LobbyLog, ratings: Ratings) -> None:
        self._database = database
        self._log = log
        self.ratings = ratings

    async def step(self, lease: Lease) -> Position:
        """Take the step that is due, if one is. Raises `RatingsBusy`, too."""
        return await self.ratings.propose_for(lease.game_id, lambda ratings: self._step(lease, ratings))

    async def _step(self, lease: Lease, ratings: Proposal | None) -> Position:
        async with self._locked(lease) as (db, game):
            if _is_due(game):
                if game.status == "question":
                    await self.close(db, game, reason="time")
                else:
                    await self.advance(db, game, ratings)
            return await _find_position(db, lease)

    async def check_answers(self, lease: Lease) -> Position:
        """Tell who has answered, and close the question when everybody who is connected has.

        Mostly there is nothing to tell, since the event of each step calls for this too: that is seen without a lock.
        """
        seen = await repository.look(self._database, lease.game_id, epoch=lease.epoch, holder=lease.holder)
        if seen is None:
            raise LeaseLost
        if not seen["has_untold"] and not seen["all_answered"]:
            return _position(seen["status"], seen["phase_ends_at"])
        async with self._locked(lease) as (db, game):
            if game.status == "question":
                await self._tell_of_answers(db, game)
                if seen["all_answered"] and await repository.have_all_answered(db, game.id):
                    await self.close(db, game, reason="all_answered")
                    return await _find_position(db, lease)
            return _position(game.status, game.phase_ends_at)

    async def take_over(self, game_id: UUID, lobby_id: UUID, *, holder: UUID) -> Lease:
        """Claim a game whose lease is over. If its driver died, the time since its last heartbeat is given back.

        Raises `LeaseLost` when another process was faster.
        """
        async with self._database.transaction() as db:
            await repository.lock_lobby(db, lobby_id)
            claimed = await leases.claim(db, game_id, holder=holder)
            if claimed is None:
                raise LeaseLost
            lease = Lease(game_id=game_id, lobby_id=lobby_id, epoch=claimed.lease_epoch, holder=holder)
            game = await repository.lock_game(db, game_id, epoch=lease.epoch, holder=holder)
            if game is not None and claimed.silent_since is not None and game.status != "paused":
                await self.resume(db, game, since=claimed.silent_since)
            return lease

    async def advance(self, db: AsyncSession, game: Row[Any], ratings: Proposal | None) -> None:
        """Open the next question of a locked game, or finish it with its ratings after the last.

        Raises `RatingsOutdated`, so that the transaction is rolled back: `ratings.propose_for` tries again with new ones.
        """
        following = 0 if game.current_question is None else game.current_question + 1
        if following >= game.question_count:
            await apply(db, game.id, ratings)
            podium = await repository.finish(db, game, status="finished")
            data = {"game_id": game.id, "podium": podium}
            await self._log.append(db, game.lobby_id, NewEvent(type="game.finished", data=data))
            return
        read_ms = game.settings["read_ms"]
        question = await repository.open_question(db, game.id, order_index=following, read_ms=read_ms)
        data = {"game_id": game.id, "question": question}
        await self._log.append(db, game.lobby_id, NewEvent(type="question.opened", data=data))

    async def close(self, db: AsyncSession, game: Row[Any], *, reason: str) -> None:
        """Close the open question of a locked game."""
        await self._tell_of_answers(db, game)
        closed = await repository.close_question(db, game)
        data = {"game_id": game.id, "reason": reason, **closed}
        await self._log.append(db, game.lobby_id, NewEvent(type="question.closed", data=data))

    async def pause(self, db: AsyncSession, game: Row[Any], *, reason: str) -> None:
        """Pause a locked game."""
        data = await repository.pause(db, game.id, reason=reason)
        await self._log.append(db, game.lobby_id, NewEvent(type="game.paused", data=data))

    async def resume(self, db: AsyncSession, game: Row[Any], *, since: datetime) -> None:
        """Let a locked game go on; the time since then is given back."""
        data = await repository.resume(db, game.id, since=since)
        await self._log.append(db, game.lobby_id, NewEvent(type="game.resumed", data=data))

    async def _tell_of_answers(self, db: AsyncSession, game: Row[Any]) -> None:
        answers = await repository.find_untold_answers(db, game)
        if answers is None or not answers.user_ids:
            return
        data = {
            "game_id": game.id,
            "question_id": answers.question_id,
            "user_ids": answers.user_ids,
            "answered": answers.answered,
        }
        await self._log.append(db, game.lobby_id, NewEvent(type="answer.received", data=data))

    @asynccontextmanager
    async def _locked(self, lease: Lease) -> AsyncIterator[tuple[AsyncSession, Row[Any]]]:
        async with self._database.transaction() as db:
            await repository.lock_lobby(db, lease.lobby_id)
            game = await repository.lock_game(db, lease.game_id, epoch=lease.epoch, holder=lease.holder)
            if game is None:
                raise LeaseLost
            yield db, game


async def _find_position(db: AsyncSession, lease: Lease) -> Position:
    game = await repository.lock_game(db, lease.game_id, epoch=lease.epoch, holder=lease.holder)
    if game is None:
        return Position(is_over=True, due_at=None)
    return _position(game.status, game.phase_ends_at)


def _is_due(game: Row[Any]) -> bool:
    due = _due_at(game.status, game.phase_ends_at)
    return due is not None and bool(game.now >= due)


def _position(status: str, phase_ends_at: datetime | None) -> Position:
    return Position(is_over=False, due_at=_due_at(status, phase_ends_at))


def _due_at(status: str, phase_ends_at: datetime | None) -> datetime | None:
    if phase_ends_at is None or status == "paused":
        return None
    return phase_ends_at + CLOSE_DELAY if status == "question" else phase_ends_at
