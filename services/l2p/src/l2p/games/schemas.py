"""Bodies of the game routes."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from l2p.models import GameStatus
from l2p.question_sets.schemas import QuestionRequest
from webcommon.api.schemas import RequestBody, ResponseBody, Timestamp


class GameRequest(RequestBody):
    """A game to be started."""

    questions: Annotated[list[QuestionRequest], Field(min_length=1, max_length=500)] | None = None
    question_set_id: UUID | None = None
    force: Annotated[bool, Field(strict=True)] = Field(False, description="Start though not all are ready.")


class OpenQuestion(ResponseBody):
    """A question that is shown, without its right answer."""

    id: UUID
    question_text: str = Field(examples=["Which planet is the largest?"])
    options: list[str] = Field(examples=[["Mars", "Jupiter"]])
    points: int = Field(examples=[1000])
    order_index: int
    time_limit_ms: int
    opens_at: Timestamp = Field(description="When answers begin to count.")
    closes_at: Timestamp


class Score(ResponseBody):
    """A participant's place."""

    user_id: UUID | None
    username: str | None = Field(examples=["ada"])
    score: int = Field(examples=[967])
    correct_answers: int
    rank: int


class OwnPlace(ResponseBody):
    """The caller's place, and the answer that stands for the open question."""

    score: int
    correct_answers: int
    streak: int
    rank: int
    answer: str | None


class Game(ResponseBody):
    """The state of a game: enough to play by."""

    id: UUID
    lobby_id: UUID
    host_id: UUID | None
    status: GameStatus
    paused_status: GameStatus | None
    current_question: int | None = Field(description="The order_index of the newest question.")
    question_count: int
    phase_ends_at: Timestamp | None
    started_at: Timestamp
    ended_at: Timestamp | None
    question: OpenQuestion | None = Field(description="The open question; null when none is.")
    participant_count: int
    scores: list[Score] = Field(description="The first ten.")
    you: OwnPlace | None = Field(description="Null for spectators.")
    server_time: Timestamp


ResultsFormat = Literal["json", "csv"]


class ResultAnswer(ResponseBody):
    """A participant's result of one question; `answer` is null without one."""

    order_index: int
    answer: str | None
    is_correct: bool
    time_taken_ms: int | None
    points: int


class ParticipantResult(ResponseBody):
    """A row of the ranking."""

    rank: int
    user_id: UUID | None
    username: str | None = Field(examples=["ada"])
    score: int = Field(examples=[967])
    correct_answers: int
    rating_before: int | None = Field(description="Null, as `rating`, unless the game has rated the player.")
    rating: int | None
    answers: list[ResultAnswer]


class Results(ResponseBody):
    """The ranking of a game, by closed questions."""

    game_id: UUID
    status: GameStatus
    items: list[ParticipantResult]


class PlayedAnswer(ResponseBody):
    """What a participant did with a question."""

    user_id: UUID | None
    username: str | None
    answer: str | None
    is_correct: bool
    time_taken_ms: int | None
    points: int


class PlayedQuestion(ResponseBody):
    """A closed question with everybody's answers."""

    id: UUID
    order_index: int
    question_text: str = Field(examples=["Which planet is the largest?"])
    options: list[str] = Field(examples=[["Mars", "Jupiter"]])
    correct_answer: str = Field(examples=["Jupiter"])
    explanation: str | None
    points: int
    answers: list[PlayedAnswer]


class PlayedQuestions(ResponseBody):
    """The closed questions of a game, in their order."""

    items: list[PlayedQuestion]
