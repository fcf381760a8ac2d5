"""What waits to be written to one client: the events of the log that it does not have yet, and messages of its own."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from l2p.clock.clock import DatabaseClock
from l2p.live import frames
from l2p.live.codes import LOBBY_CLOSED, NOT_ALLOWED, TOO_SLOW, Closed
from l2p.live.limits import FRAME_BYTES, QUEUED_BYTES, QUEUED_MESSAGES, STALLED_SECONDS
from l2p.log.events import LoggedEvent, Message

Write = Callable[[], Awaitable[None]]
"""Takes a message out of an outbox, and writes it."""


NOTED = frozenset(
    {
        "game.started",
        "game.finished",
        "game.aborted",
        "host.changed",
        "lobby.closed",
        "lobby.updated",
        "player.joined",
        "player.left",
    }
)
"""The events that may say something about the client itself."""


class Outbox:
    """Takes events and messages at once, and gives them to the one task that writes.

    What it holds is bounded: a client that reads too slowly is closed with 1013. `user_id` gets its own rows.
    """

    def __init__(self, clock: DatabaseClock, user_id: UUID) -> None:
        self._clock = clock
        self.user_id = user_id
        self._own_id = str(user_id)
        self.seq: int | None = None
        """The last event that was put in; None until the client has a state."""
        self.game_id: UUID | None = None
        self.is_playing = False
        """Whether a game of the lobby runs."""
        self.opened_at: datetime | None = None
        """The database's time since when the user counts as connected by this client, which is newer than one without."""
        self._early: list[LoggedEvent] = []
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self.is_private = False
        """Whether only the host and players may follow the lobby."""
        self.is_host = False
        self.has_seat = False
        self._is_kicked = False
        self._is_lobby_closed = False
        self._code: int | None = None
        self._ended = asyncio.Event()
        self._waits_since: float | None = None

    @property
    def is_half_full(self) -> bool:
        """Whether to write before more is put in."""
        return len(self._queue) > QUEUED_MESSAGES // 2 or self._bytes > QUEUED_BYTES // 2

    def deliver(self, events: Sequence[LoggedEvent]) -> None:
        """Put in the events that the client does not have yet."""
        if self.seq is None:
            self._early.extend(events)
            return
        for event in events:
            if event.seq > self.seq:
                self.seq = event.seq
                self.replay(event)

    def replay(self, event: LoggedEvent) -> None:
        """Put in an event. Those that are delivered wait for `start` meanwhile."""
        if event.type in NOTED:
            self._note(event)
        self.put(event.message_for(self.user_id))

    def start(self, seq: int) -> None:
        """The client has, or will have, everything up to `seq`: put in what was delivered since."""
        self.seq = seq
        early, self._early = self._early, []
        self.deliver(early)

    def interrupt(self) -> None:
        """Tell that the running game stands still; the log cannot."""
        if self.is_playing:
            self.put_own("game.paused", {"game_id": self.game_id, "reason": "database unavailable"})

    def put_own(self, kind: str, data: dict[str, Any], *, seq: int | None = None) -> None:
        """Put in a message that is not in the log."""
        self.put_text(frames.write(kind, data, at=self._clock.now(), seq=seq), seq=seq)

    def put_text(self, text: str, *, seq: int | None) -> None:
        """Put in a written message."""
        self.put(Message(text=text, size=len(text.encode()), seq=seq))

    def put(self, message: Message) -> None:
        """Put in a message."""
        self._queue.append(message)
        self._bytes += message.size
        if len(self._queue) > QUEUED_MESSAGES or self._bytes > QUEUED_BYTES:
            self.end(TOO_SLOW)
        self._changed.set()

    def take(self) -> Message | None:
        """The next message, if there is one."""
        return self._take() if self._queue else None

    def take_array(self) -> str:
        """The next message, or an array of as many as fit into a frame; nothing is left when it is empty."""
        if not self._queue:
            return ""
        message = self._take()
        if not self._queue:
            return message.text
        taken, size = [message.text], message.size
        while self._queue and size + self._queue[0].size < FRAME_BYTES:
            message = self._take()
            taken.append(message.text)
            size += message.size + 2
        return f"[{', '.join(taken)}]"

    def end(self, code: int) -> None:
        """Close with this code at once, without what is not written yet."""
        self._queue.clear()
        self._bytes = 0
        if self._code is None:
            self._code = code
        self._ended.set()

    async def watch(self) -> None:
        """Raises `Closed` when the client is to be closed at once."""
        while self._code is None:
            await self._ended.wait()
        raise Closed(self._code)

    def end_if_stalled(self, now: float) -> None:
        """Close when one message has been waiting for the client for too long. `now` is the loop's time."""
        if self._waits_since is not None and now - self._waits_since > STALLED_SECONDS:
            self.end(TOO_SLOW)

    async def write_all(self, write: Write) -> None:
        """Call `write`, which takes a message, until nothing is left."""
        self._changed.clear()
        loop = asyncio.get_running_loop()
        while self._queue:
            self._waits_since = loop.time()
            await write()
        self._waits_since = None

    async def write_for_ever(self, write: Write, *, seconds: float | None = None) -> None:
        """Write what comes; after so many seconds without anything, `write` is called with an empty outbox.

        Raises `Closed` after the last message of a client that is to be closed.
        """
        while True:
            await self.write_all(write)
            if (code := self._find_last_code()) is not None:
                raise Closed(code)
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                await write()

    def _find_last_code(self) -> int | None:
        if self._is_lobby_closed:
            return LOBBY_CLOSED
        is_stranger = self.is_private and not (self.is_host or self.has_seat)
        return NOT_ALLOWED if self._is_kicked or is_stranger else None

    def _take(self) -> Message:
        message = self._queue.popleft()
        self._bytes -= message.size
        return message

    def _note(self, event: LoggedEvent) -> None:
        match event.type:
            case "game.started":
                self.game_id, self.is_playing = UUID(event.content["game_id"]), True
            case "game.finished" | "game.aborted":
                self.is_playing = False
            case "host.changed":
                self.is_host = event.content["host_id"] == str(self.user_id)
            case "lobby.closed":
                self._is_lobby_closed = True
            case "lobby.updated":
                self.is_private = event.content["settings"]["is_private"]
            case "player.joined" if event.content["user_id"] == self._own_id:
                # A client that missed both events is in the lobby again.
                self.has_seat, self._is_kicked = True, False
            case "player.left" if event.content["user_id"] == self._own_id:
                self.has_seat, self._is_kicked = False, event.content["reason"] == "kicked"
