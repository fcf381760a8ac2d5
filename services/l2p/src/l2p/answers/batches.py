"""Stores the answers to a game in batches."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from l2p.answers import repository
from l2p.answers.errors import (
    AlreadyAnswered,
    NotAnOption,
    NotAPlayer,
    QuestionClosed,
    QuestionNotOpen,
    UnknownQuestion,
)
from l2p.answers.repository import Submission
from l2p.clock.clock import DatabaseClock
from webcommon.api.problems import Problem
from webcommon.batches import Batches

_REFUSALS: dict[str, Callable[[], Problem]] = {
    "not a player": NotAPlayer,
    "unknown question": UnknownQuestion,
    "not open": QuestionNotOpen,
    "closed": QuestionClosed,
    "not an option": NotAnOption,
}


class AnswerBatches:
    """Stores answers in batches; one statement a game at a time. `stored` is called with a lobby whose game has
    new answers."""

    def __init__(self, database: Database, clock: DatabaseClock, *, stored: Callable[[UUID], None]) -> None:
        self._database = database
        self._clock = clock
        self._stored = stored
        self._batches: Batches[UUID, Submission, int] = Batches(self._store)

    async def submit(
        self, game_id: UUID, *, user_id: UUID, question_id: UUID, answer: str, lag_ms: int = 0
    ) -> int:
        """Store an answer that arrives now; gives its `time_taken_ms` once it is committed.

        `lag_ms`, the round trip to the player as the server measured it, is taken off the time, as far as the limits of a
        question and of a game go. A repeated answer gives the time of the first. Raises the errors of this package, and `DatabaseError`.
        """
        submission = Submission(
            user_id=user_id,
            question_id=question_id,
            answer=answer,
            arrived_at=self._clock.now(),
            lag_ms=lag_ms,
        )
        return await self._batches.submit(game_id, submission)

    async def _store(self, game_id: UUID, submissions: list[Submission]) -> list[int | Problem]:
        records = await repository.store(self._database, game_id, submissions)
        outcomes = [
            await self._judge(record, submission)
            for record, submission in zip(records, submissions, strict=True)
        ]
        if any(record["is_new"] for record in records):
            self._stored(records[0]["lobby_id"])
        return outcomes

    async def _judge(self, record: Any, submission: Submission) -> int | Problem:
        """The time taken of an accepted answer, or why it is refused."""
        verdict: str = record["verdict"]
        if verdict in ("not a player", "unknown question"):
            return _REFUSALS[verdict]()
        standing: Any = record
        if verdict == "accepted" and record["standing"] is None:
            standing = await repository.find_standing(
                self._database, participant_id=record["participant_id"], question_id=submission.question_id
            )
        if standing is not None and standing["standing"] == submission.answer:
            return int(standing["time_taken_ms"])
        if verdict in ("closed", "not open") or standing is None or standing["standing"] is None:
            return _REFUSALS[verdict]()
        return AlreadyAnswered(answer=standing["standing"])
