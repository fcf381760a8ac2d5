"""Events of a lobby's log."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

EventType = Literal[
    "player.joined",
    "player.left",
    "player.ready",
    "player.connected",
    "player.disconnected",
    "host.changed",
    "lobby.updated",
    "lobby.closed",
    "game.started",
    "question.opened",
    "answer.received",
    "question.closed",
    "game.paused",
    "game.resumed",
    "game.finished",
    "game.aborted",
    "chat.message",
]

PERSONAL: frozenset[str] = frozenset({"question.closed", "game.finished"})
"""Events to which each receiver's own row is added."""


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event to be written."""

    type: EventType
    data: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message as it is written to clients, and its bytes; `seq` is null for one that is not in the log."""

    text: str
    size: int
    seq: int | None


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    """An event as the log has it. `data` is the text of a JSON object, `personal` each receiver's own row, if it has one."""

    seq: int
    type: str
    at: str
    data: str
    personal: dict[UUID, str] = field(default_factory=dict, hash=False)

    @cached_property
    def message(self) -> Message:
        """For receivers without a row of their own: one object for all of them."""
        return self._write(self.data)

    @cached_property
    def content(self) -> Any:
        """`data`, read once for all receivers."""
        return json.loads(self.data)

    def message_for(self, user_id: UUID) -> Message:
        """The message for one receiver."""
        row = self.personal.get(user_id)
        return self.message if row is None else self._write(f'{self.data[:-1]}, "you": {row}}}')

    def _write(self, data: str) -> Message:
        text = f'{{"type": "{self.type}", "seq": {self.seq}, "at": "{self.at}", "data": {data}}}'
        return Message(text=text, size=len(text.encode()), seq=self.seq)


def encode(data: dict[str, Any]) -> str:
    """JSON for a column of the type jsonb."""
    return json.dumps(data, ensure_ascii=False, default=str)
