"""Messages of the live channel: what clients send, and what the server adds to the events of the log."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from l2p.answers.schemas import AnswerText
from webcommon.api.schemas import RequestBody, Text, in_utc

SUBPROTOCOL = "quartet.v1"

Ref = Annotated[Text, Field(max_length=64, description="Repeated by the response.")]


class AuthMessage(RequestBody):
    """The first message: the access token, and for a client that comes back the last event that it has."""

    type: Literal["auth"]
    token: Text = Field(max_length=8192, repr=False)
    stream: UUID | None = None
    last_seq: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = None
    batch: Annotated[bool, Field(strict=True)] = Field(False, description="Frames may be arrays of messages.")


class AnswerMessage(RequestBody):
    """An answer to the open question of the running game."""

    type: Literal["answer"]
    question_id: UUID
    answer: AnswerText
    ref: Ref | None = None


class ReadyMessage(RequestBody):
    """Whether the player is ready."""

    type: Literal["ready"]
    is_ready: Annotated[bool, Field(strict=True)]
    ref: Ref | None = None


class ChatMessage(RequestBody):
    """A message to everybody in the lobby."""

    type: Literal["chat"]
    text: Annotated[Text, Field(min_length=1, max_length=500)]
    ref: Ref | None = None


class PingMessage(RequestBody):
    """Asks for `pong`, which has the server's time."""

    type: Literal["ping"]
    ref: Ref | None = None


ClientMessage = AuthMessage | AnswerMessage | ReadyMessage | ChatMessage | PingMessage

CLIENT_MESSAGES: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


class _Refused(BaseModel):
    """What counts in a message that is none of the above."""

    ref: Ref | None = None


def read_ref(text: str | bytes) -> str | None:
    """The `ref` of a message that is refused, if it has one."""
    try:
        return _Refused.model_validate_json(text).ref
    except ValidationError:
        return None


def write(kind: str, data: dict[str, Any], *, at: datetime, seq: int | None = None) -> str:
    """A message of the server that is not in the log."""
    message = {"type": kind, "seq": seq, "at": in_utc(at), "data": data}
    return json.dumps(message, ensure_ascii=False, default=str)


def write_state(kind: str, *, seq: int, at: datetime, stream: UUID, lobby: str, game: str | None) -> str:
    """A `welcome` or `resync` with the whole state, whose parts are JSON texts."""
    data = f'{{"stream": "{stream}", "lobby": {lobby}, "game": {game or "null"}}}'
    return f'{{"type": "{kind}", "seq": {seq}, "at": "{in_utc(at)}", "data": {data}}}'
