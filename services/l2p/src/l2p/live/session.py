"""One open socket: what its client sends is answered in order, and the log of the lobby is written as it grows."""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from l2p.answers.batches import AnswerBatches
from l2p.clock.clock import DatabaseClock
from l2p.guest_access.access import find_guest_lobby
from l2p.live import frames
from l2p.live.frames import (
    CLIENT_MESSAGES,
    AnswerMessage,
    AuthMessage,
    ChatMessage,
    ClientMessage,
    PingMessage,
    ReadyMessage,
)
from l2p.live.hub import BATCH, Hub, read_events
from l2p.log import repository as log_repository
from l2p.log.events import LoggedEvent
from l2p.presence.presence import Presence
from l2p.state.repository import read_lobby
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.api.problems import Problem
from webcommon.api.schemas import in_utc
from webcommon.auth.bearer import Caller, TokenRefused, TokenVerifier
from webcommon.auth.jwks import KeysUnavailable

logger = logging.getLogger(__name__)

AUTH_SECONDS = 5.0
"""How long a client has for its first message."""

REPLAYED_EVENTS = 1000
REPLAYED_SECONDS = 600
"""A client that missed more, or for longer, gets a new state."""

QUEUED_MESSAGES = 256
QUEUED_BYTES = 256 * 1024
"""Messages and bytes that wait for a client; one that reads more slowly is disconnected."""

FRAME_BYTES = 48 * 1024
"""An array of messages is sent when it is as long."""

INVALID_TOKEN, NOT_ALLOWED, LOBBY_CLOSED, TOO_SLOW, TRY_LATER = 4401, 4403, 4410, 1013, 1013


class Closed(Exception):
    """The socket is to be closed with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class LiveParts:
    """What all sockets of a process share."""

    database: Database
    clock: DatabaseClock
    hub: Hub
    presence: Presence
    batches: AnswerBatches
    provisioner: UserProvisioner
    actions: "Actions"


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What a client may do by a message, as routes of the API do it. Each raises `Problem` and `DatabaseError`."""

    set_ready: Callable[[Caller, UUID, bool], Awaitable[None]]
    chat: Callable[[Caller, UUID, str], Awaitable[None]]


class SocketSession:
    """A socket of a user on a lobby, from its first message to its close."""

    def __init__(self, socket: WebSocket, lobby_id: UUID, parts: LiveParts, verifier: TokenVerifier) -> None:
        self._socket = socket
        self._lobby_id = lobby_id
        self._parts = parts
        self._verifier = verifier
        self._seq: int | None = None
        """The last event that was queued; None until the client has the state."""
        self._early: list[LoggedEvent] = []
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Event()
        self._code: int | None = None
        self._game_id: UUID | None = None
        self._is_playing = False
        self._batches = False
        self._caller: Caller

    @property
    def user_id(self) -> UUID:
        """The user of the socket."""
        return self._caller.id

    async def run(self) -> None:
        """Serve the socket until either side closes it."""
        try:
            await self._sign_in()
            await self._serve()
        except Closed as closed:
            await self._close(closed.code)
        except WebSocketDisconnect:
            return
        except DatabaseError:
            await self._close(TRY_LATER)

    def deliver(self, events: Sequence[LoggedEvent]) -> None:
        """Queue the events that the client does not have yet."""
        if self._seq is None:
            self._early.extend(events)
            return
        for event in events:
            if event.seq > self._seq:
                self._seq = event.seq
                self._note(event)
                self._put(event.frame_for(self.user_id))

    def interrupt(self) -> None:
        """Tell that the running game stands still; the log cannot."""
        if self._is_playing:
            data = {"game_id": self._game_id, "reason": "database unavailable"}
            self._put_own("game.paused", data)

    def _note(self, event: LoggedEvent) -> None:
        if event.type == "game.started":
            self._game_id = UUID(json.loads(event.data)["game_id"])
            self._is_playing = True
        elif event.type in ("game.finished", "game.aborted"):
            self._is_playing = False
        elif event.type == "lobby.closed":
            self._code = LOBBY_CLOSED
        elif event.type == "player.left":
            left = json.loads(event.data)
            if left["reason"] == "kicked" and left["user_id"] == str(self.user_id):
                self._code = NOT_ALLOWED
        elif self._code == NOT_ALLOWED and event.type == "player.joined":
            # A client that missed both events is in the lobby again.
            is_back = json.loads(event.data)["user_id"] == str(self.user_id)
            self._code = None if is_back else NOT_ALLOWED

    def _put(self, frame: str) -> None:
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        if len(self._queue) > QUEUED_MESSAGES or self._queued_bytes > QUEUED_BYTES:
            self._queue.clear()
            self._code = TOO_SLOW
        self._changed.set()

    async def _sign_in(self) -> None:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                message = await self._receive()
                if not isinstance(message, AuthMessage):
                    raise Closed(INVALID_TOKEN)
                await self._authenticate(message)
        except (TimeoutError, ValidationError):
            raise Closed(INVALID_TOKEN) from None
        self._batches = message.batch
        self._last_seq, self._stream = message.last_seq, message.stream

    async def _authenticate(self, message: AuthMessage) -> None:
        try:
            self._caller = await self._verifier.verify(message.token)
        except TokenRefused:
            raise Closed(INVALID_TOKEN) from None
        except KeysUnavailable:
            raise Closed(TRY_LATER) from None
        if find_guest_lobby(self._caller) not in (None, self._lobby_id):
            raise Closed(NOT_ALLOWED)
        await self._parts.provisioner.ensure_user(self._caller)

    async def _serve(self) -> None:
        hub, presence = self._parts.hub, self._parts.presence
        hub.add(self._lobby_id, self)
        presence.connected(self._lobby_id, self.user_id)
        try:
            await self._begin()
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read())
                tasks.create_task(self._write())
                reading.add_done_callback(lambda _: self._changed.set())
        except* WebSocketDisconnect:
            pass
        except* Closed as group:
            raise _first(group) from None
        except* DatabaseError:
            raise Closed(TRY_LATER) from None
        finally:
            hub.remove(self._lobby_id, self)
            presence.disconnected(self._lobby_id, self.user_id)

    async def _begin(self) -> None:
        """Queue the state, or what the client missed, and what happened meanwhile."""
        state = await read_lobby(self._parts.database, self._lobby_id, user_id=self.user_id)
        if state is None:
            raise Closed(NOT_ALLOWED)
        if state["status"] == "closed" and self._last_seq is None:
            raise Closed(LOBBY_CLOSED)
        if state["game"] is not None:
            self._game_id = UUID(json.loads(state["game"])["id"])
            self._is_playing = True
        seq: int = state["seq"]
        now = self._parts.clock.now()
        if self._last_seq is not None and await self._can_replay(self._last_seq):
            self._put(frames.write("welcome", {"stream": state["stream"]}, at=now, seq=self._last_seq))
            await self._replay(self._last_seq, seq)
        else:
            kind = "welcome" if self._last_seq is None else "resync"
            self._put(
                frames.write_state(
                    kind, seq=seq, at=now, stream=state["stream"], lobby=state["lobby"], game=state["game"]
                )
            )
            self._seq = seq
        self._parts.hub.start(self._lobby_id, seq=seq)
        early, self._early = self._early, []
        self.deliver(early)

    async def _can_replay(self, last_seq: int) -> bool:
        start = await log_repository.find_start(self._parts.database, self._lobby_id, last_seq=last_seq)
        if start is None or start.stream != self._stream:
            return False
        missed = start.event_seq - last_seq
        if missed == 0:
            return True
        return (
            0 < missed <= REPLAYED_EVENTS and start.seconds is not None and start.seconds <= REPLAYED_SECONDS
        )

    async def _replay(self, last_seq: int, head: int) -> None:
        self._seq, early = last_seq, self._early
        self._early = []
        while self._seq < head:
            events = await read_events(
                self._parts.database, self._lobby_id, after=self._seq, receivers=[self], limit=BATCH
            )
            if not events:
                break
            self.deliver(events)
            await self._flush()
        self.deliver(early)

    async def _read(self) -> None:
        """Answer messages one after the other. Ends by raising."""
        while True:
            try:
                message = await self._receive()
            except ValidationError as error:
                self._put_error("invalid-message", detail=_explain(error), ref=None)
                continue
            await self._answer(message)

    async def _receive(self) -> ClientMessage:
        text = await self._socket.receive_text()
        return CLIENT_MESSAGES.validate_json(text)

    async def _answer(self, message: ClientMessage) -> None:
        try:
            accepted = await self._do(message)
        except Problem as problem:
            self._put_error(problem.slug, detail=problem.detail, ref=message_ref(message), **problem.members)
        except DatabaseError:
            self._put_error(
                "database-unavailable", detail="Send it again in a moment.", ref=message_ref(message)
            )
        else:
            if accepted is not None:
                self._put_own("accepted", {"ref": message_ref(message), **accepted})

    async def _do(self, message: ClientMessage) -> dict[str, Any] | None:
        parts, actions = self._parts, self._parts.actions
        match message:
            case PingMessage():
                data = {"server_time": in_utc(parts.clock.now()), "ref": message.ref}
                self._put_own("pong", data)
                return None
            case AnswerMessage():
                # Without a game no id is a game's, and the answer is refused as one of a stranger.
                game_id = self._game_id or message.question_id
                time_taken_ms = await parts.batches.submit(
                    game_id, user_id=self.user_id, question_id=message.question_id, answer=message.answer
                )
                return {"time_taken_ms": time_taken_ms}
            case ReadyMessage():
                await actions.set_ready(self._caller, self._lobby_id, message.is_ready)
            case ChatMessage():
                await actions.chat(self._caller, self._lobby_id, message.text)
            case AuthMessage():
                await self._renew(message)
        return {}

    async def _renew(self, message: AuthMessage) -> None:
        before = self._caller
        await self._authenticate(message)
        if self._caller.id != before.id:
            raise Closed(NOT_ALLOWED)

    def _put_own(self, kind: str, data: dict[str, Any]) -> None:
        self._put(frames.write(kind, data, at=self._parts.clock.now()))

    def _put_error(self, code: str, *, detail: str | None, ref: str | None, **members: Any) -> None:
        self._put_own("error", {"code": code, "detail": detail, "ref": ref, **members})

    async def _write(self) -> None:
        while True:
            await self._flush()
            if self._code is not None:
                raise Closed(self._code)
            await self._changed.wait()

    async def _flush(self) -> None:
        self._changed.clear()
        while self._queue:
            await self._socket.send_text(self._take())

    def _take(self) -> str:
        """The next frame: a message, or an array of as many as fit."""
        frame = self._queue.popleft()
        self._queued_bytes -= len(frame)
        if not self._batches or not self._queue:
            return frame
        taken, size = [frame], len(frame)
        while self._queue and size + len(self._queue[0]) < FRAME_BYTES:
            frame = self._queue.popleft()
            self._queued_bytes -= len(frame)
            taken.append(frame)
            size += len(frame)
        return f"[{', '.join(taken)}]"

    async def _close(self, code: int) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(code)


def message_ref(message: ClientMessage) -> str | None:
    """The reference that the client gave its message."""
    return getattr(message, "ref", None)


def _first(group: "BaseExceptionGroup[Closed]") -> Closed:
    for error in group.exceptions:
        return error if isinstance(error, Closed) else _first(error)
    raise AssertionError("an empty group")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
