"""Collects the answers to a game that arrive within a few milliseconds, and stores them together.

A transaction for each answer costs a process three times as much as its share of a batch.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
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

WINDOW_SECONDS = 0.005
"""How long the first answer of a batch waits for others."""

LARGEST = 500
"""Answers in one statement."""

_REFUSALS: dict[str, Callable[[], Problem]] = {
    "not a player": NotAPlayer,
    "unknown question": UnknownQuestion,
    "not open": QuestionNotOpen,
    "closed": QuestionClosed,
    "not an option": NotAnOption,
}


@dataclass(eq=False)
class _Batch:
    submissions: list[Submission] = field(default_factory=list)
    results: "list[asyncio.Future[int]]" = field(default_factory=list)


class AnswerBatches:
    """Stores answers in batches; one statement a game at a time. `stored` is called with a lobby whose game has
    new answers."""

    def __init__(self, database: Database, clock: DatabaseClock, *, stored: Callable[[UUID], None]) -> None:
        self._database = database
        self._clock = clock
        self._stored = stored
        self._batches: dict[UUID, _Batch] = {}
        """The batch that is collected for a game. The game is missing when nothing of it is collected or stored."""
        self._tasks: set[asyncio.Task[None]] = set()

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
        result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        batch = self._batches.get(game_id)
        if batch is None:
            batch = self._batches[game_id] = _Batch()
            self._start(self._store_next(game_id, pause=WINDOW_SECONDS))
        batch.submissions.append(submission)
        batch.results.append(result)
        return await result

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="answers")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store_next(self, game_id: UUID, *, pause: float) -> None:
        await asyncio.sleep(pause)
        batch = self._batches.pop(game_id)
        more = _Batch(batch.submissions[LARGEST:], batch.results[LARGEST:])
        # Answers that arrive while a batch is stored are the next batch.
        self._batches[game_id] = more
        await self._store(game_id, batch.submissions[:LARGEST], batch.results[:LARGEST])
        if more.submissions:
            self._start(self._store_next(game_id, pause=0))
        else:
            del self._batches[game_id]

    async def _store(
        self, game_id: UUID, submissions: list[Submission], results: "list[asyncio.Future[int]]"
    ) -> None:
        try:
            records = await repository.store(self._database, game_id, submissions)
            outcomes = [
                await self._judge(record, submission)
                for record, submission in zip(records, submissions, strict=True)
            ]
        except BaseException as error:
            for result in results:
                _settle(result, error)
            # Each caller has the error. What is no answer of the database ends this task as well.
            if not isinstance(error, Exception):
                raise
            return
        for result, outcome in zip(results, outcomes, strict=True):
            _settle(result, outcome)
        if any(record["is_new"] for record in records):
            self._stored(records[0]["lobby_id"])

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


def _settle(result: "asyncio.Future[int]", outcome: int | BaseException) -> None:
    # A caller that was cancelled waits no longer.
    if result.done():
        return
    if isinstance(outcome, int):
        result.set_result(outcome)
    else:
        result.set_exception(outcome)
