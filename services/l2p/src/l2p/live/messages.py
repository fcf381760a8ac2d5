"""What is in the `data` of each message of the server: `/asyncapi.json` is made of it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from l2p.games.schemas import Game, OpenQuestion
from l2p.lobbies.schemas import Lobby, LobbySettings
from l2p.models import GameStatus
from webcommon.api.schemas import ResponseBody, Timestamp

Ref = Annotated[str | None, Field(description="The `ref` of the client's message.")]


class State(ResponseBody):
    """The whole state, true at the message's `seq`."""

    stream: UUID = Field(description="Names this log; send it back with `last_seq`.")
    lobby: Lobby
    game: Game | None = Field(description="The running game.")


class Resumed(ResponseBody):
    """The client has the state already; the events after `last_seq` follow."""

    stream: UUID


class PlayerNamed(ResponseBody):
    """A player took a seat."""

    user_id: UUID
    username: str | None


class PlayerLeft(ResponseBody):
    """A player left, or was removed by the host."""

    user_id: UUID
    reason: Literal["left", "kicked"]
    banned: bool = Field(False, description="Only with `kicked`: whether joining again is refused.")


class PlayerReady(ResponseBody):
    """A player is ready, or is not any more."""

    user_id: UUID
    is_ready: bool


class PlayerSeen(ResponseBody):
    """A player is connected now, or has not been for a few seconds."""

    user_id: UUID


class HostChanged(ResponseBody):
    """Another player hosts."""

    host_id: UUID


class LobbyUpdated(ResponseBody):
    """The host changed the lobby; nobody is ready any more."""

    name: str
    max_players: int
    settings: LobbySettings


class LobbyClosed(ResponseBody):
    """The lobby is closed; sockets are closed with 4410 after this."""

    reason: Literal["empty", "idle", "deleted"]


class GameStarted(ResponseBody):
    """A game has started; its first question opens at `phase_ends_at`."""

    game_id: UUID
    question_count: int
    phase_ends_at: Timestamp


class QuestionOpened(ResponseBody):
    """A question is shown. Answers count from its `opens_at` to its `closes_at`."""

    game_id: UUID
    question: OpenQuestion


class AnswerReceived(ResponseBody):
    """Who has answered since the last such event, and how many have in all."""

    game_id: UUID
    question_id: UUID
    user_ids: list[UUID]
    answered: int


class OptionCount(ResponseBody):
    """How many chose an option."""

    option: str
    count: int


class QuestionScore(ResponseBody):
    """A participant's score after a question; `points` are those of the question."""

    user_id: UUID | None
    username: str | None
    score: int
    points: int
    rank: int


class OwnResult(ResponseBody):
    """The receiver's own result of a question."""

    answer: str | None
    is_correct: bool
    time_taken_ms: int | None
    points: int
    score: int
    rank: int
    streak: int


class QuestionClosed(ResponseBody):
    """A question is closed: its right answer, and the first ten."""

    game_id: UUID
    question_id: UUID
    order_index: int
    reason: Literal["time", "all_answered", "host"]
    correct_answer: str
    explanation: str | None
    spread: list[OptionCount]
    scores: list[QuestionScore]
    you: OwnResult | None = Field(None, description="Not in the log; missing for spectators.")


class GamePaused(ResponseBody):
    """The game stands still. With `seq` null the database does not answer, and only `game_id` and `reason` are there."""

    game_id: UUID
    reason: str
    paused_status: GameStatus | None = None
    remaining_ms: int | None = Field(None, description="Of the phase; null while it waits for the host.")


class GameResumed(ResponseBody):
    """The game goes on. Nothing else changes the times of a question."""

    game_id: UUID
    paused_ms: int
    phase_ends_at: Timestamp | None
    question_id: UUID | None
    opens_at: Timestamp | None
    closes_at: Timestamp | None


class FinalScore(ResponseBody):
    """A row of the podium."""

    user_id: UUID | None
    username: str | None
    score: int
    correct_answers: int
    rank: int
    rating_before: int | None = None
    rating: int | None = None


class OwnRank(ResponseBody):
    """The receiver's own place; the ratings are null for who was not rated."""

    score: int
    correct_answers: int
    rank: int | None
    rating_before: int | None
    rating: int | None


class GameFinished(ResponseBody):
    """The game is over: the first ten. `…/results` has the others."""

    game_id: UUID
    podium: list[FinalScore]
    you: OwnRank | None = Field(None, description="Not in the log; missing for spectators.")


class GameAborted(ResponseBody):
    """The game ended without ranks."""

    game_id: UUID
    reason: str


class ChatWritten(ResponseBody):
    """A message to everybody."""

    user_id: UUID
    username: str | None
    text: str


class Accepted(ResponseBody):
    """The client's message was done."""

    ref: Ref
    time_taken_ms: int | None = Field(None, description="Only of an answer.")


class Refused(ResponseBody):
    """The client's message was not done. A `code` may come with further members."""

    model_config = ConfigDict(extra="allow")

    ref: Ref
    code: str
    detail: str | None
    retry_after_ms: int | None = Field(None, description="Only of `too-many-messages`.")
    answer: str | None = Field(None, description="Only of `already-answered`: the answer that stands.")


class Pong(ResponseBody):
    """The server's time."""

    ref: Ref
    server_time: Timestamp


class StreamClosed(ResponseBody):
    """The end of an event stream, with the code with which a socket would be closed."""

    code: int


SERVER_MESSAGES: dict[str, tuple[type[BaseModel], ...]] = {
    "welcome": (State, Resumed),
    "resync": (State,),
    "player.joined": (PlayerNamed,),
    "player.left": (PlayerLeft,),
    "player.ready": (PlayerReady,),
    "player.connected": (PlayerSeen,),
    "player.disconnected": (PlayerSeen,),
    "host.changed": (HostChanged,),
    "lobby.updated": (LobbyUpdated,),
    "lobby.closed": (LobbyClosed,),
    "game.started": (GameStarted,),
    "question.opened": (QuestionOpened,),
    "answer.received": (AnswerReceived,),
    "question.closed": (QuestionClosed,),
    "game.paused": (GamePaused,),
    "game.resumed": (GameResumed,),
    "game.finished": (GameFinished,),
    "game.aborted": (GameAborted,),
    "chat.message": (ChatWritten,),
    "accepted": (Accepted,),
    "error": (Refused,),
    "pong": (Pong,),
    "closed": (StreamClosed,),
}
"""The data of each type of message: the events of the log, and what is not in it."""
