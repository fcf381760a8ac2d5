"""One open socket: what its client sends is answered in order, and the log of the lobby is written as it grows."""

import asyncio
import contextlib
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from dbcommon.errors import DatabaseError
from l2p.guest_access.access import find_guest_lobby
from l2p.live.codes import (
    INVALID_TOKEN,
    NOT_ALLOWED,
    TOO_MANY_MESSAGES,
    TRY_LATER,
    Closed,
    first_of,
)
from l2p.live.frames import (
    CLIENT_MESSAGES,
    AnswerMessage,
    AuthMessage,
    ChatMessage,
    ClientMessage,
    PingMessage,
    ReadyMessage,
    read_ref,
)
from l2p.live.limits import (
    AUTH_SECONDS,
    CHATS_AT_ONCE,
    CHATS_PER_SECOND,
    MESSAGES_AT_ONCE,
    MESSAGES_PER_SECOND,
    MOST_REFUSED,
    Allowance,
)
from l2p.live.outbox import Outbox
from l2p.live.parts import LiveParts
from l2p.live.sessions import Admission
from webcommon.api.problems import Problem
from webcommon.api.schemas import in_utc
from webcommon.app.connection import find_connection
from webcommon.auth.bearer import Caller, TokenRefused, TokenVerifier
from webcommon.auth.jwks import KeysUnavailable

NO_STREAM = UUID(int=0)
"""No log has this id: a client that names no `stream` gets a new state."""


class SocketSession:
    """A socket of a user on a lobby, from its first message to its close."""

    caller: Caller
    outbox: Outbox

    def __init__(self, socket: WebSocket, lobby_id: UUID, parts: LiveParts, verifier: TokenVerifier) -> None:
        self.lobby_id = lobby_id
        self._socket = socket
        self._parts = parts
        self._verifier = verifier
        self._connection = find_connection(socket.scope)
        self._messages = Allowance(per_second=MESSAGES_PER_SECOND, at_once=MESSAGES_AT_ONCE)
        self._chats = Allowance(per_second=CHATS_PER_SECOND, at_once=CHATS_AT_ONCE)

    async def run(self, admission: Admission) -> None:
        """Serve the socket until either side closes it."""
        try:
            auth = await self._sign_in()
            admission.authenticated()
            await self._serve(auth)
        except Closed as closed:
            await self._close(closed.code)
        except WebSocketDisconnect:
            return
        except DatabaseError:
            await self._close(TRY_LATER)

    async def _sign_in(self) -> AuthMessage:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                message = CLIENT_MESSAGES.validate_json(await self._receive())
                if not isinstance(message, AuthMessage):
                    raise Closed(INVALID_TOKEN)
                self.caller = await self._authenticate(message)
        except (TimeoutError, ValidationError):
            raise Closed(INVALID_TOKEN) from None
        return message

    async def _authenticate(self, message: AuthMessage) -> Caller:
        try:
            caller = await self._verifier.verify(message.token)
        except TokenRefused:
            raise Closed(INVALID_TOKEN) from None
        except KeysUnavailable:
            raise Closed(TRY_LATER) from None
        if find_guest_lobby(caller) not in (None, self.lobby_id):
            raise Closed(NOT_ALLOWED)
        await self._parts.provisioner.ensure_user(caller)
        return caller

    async def _serve(self, auth: AuthMessage) -> None:
        self.outbox = Outbox(self._parts.clock, self.caller.id)
        self._write = self._write_array if auth.batch else self._write_one
        ending: Closed | None = None
        try:
            async with self._parts.following(self), asyncio.TaskGroup() as tasks:
                tasks.create_task(self.outbox.watch())
                await self._parts.beginning.begin(
                    self.outbox,
                    self.lobby_id,
                    last_seq=auth.last_seq,
                    stream=auth.stream or NO_STREAM,
                    write=self._write,
                )
                tasks.create_task(self._read())
                tasks.create_task(self.outbox.write_for_ever(self._write))
        except* WebSocketDisconnect:
            pass
        except* DatabaseError:
            ending = Closed(TRY_LATER)
        except* Closed as group:
            ending = first_of(group)
        # Until Python 3.11.4 what is raised within `except*` becomes a group.
        if ending is not None:
            raise ending

    async def _read(self) -> None:
        """Answer messages one after the other. Ends by raising."""
        while True:
            text = await self._receive()
            try:
                message = CLIENT_MESSAGES.validate_json(text)
            except ValidationError as error:
                ref = read_ref(text)
                if not self._refuse_too_many(self._messages, ref=ref):
                    self._put_error("invalid-message", detail=_explain(error), ref=ref)
                continue
            if self._refuse_too_many(self._messages, ref=message_ref(message)):
                continue
            if isinstance(message, ChatMessage) and self._refuse_too_many(self._chats, ref=message.ref):
                continue
            await self._answer(message)

    async def _receive(self) -> str | bytes:
        event = await self._socket.receive()
        if event["type"] != "websocket.receive":
            raise WebSocketDisconnect(event.get("code", 1005))
        text: str | None = event.get("text")
        # A binary message is no message of this protocol, as text that is no JSON is none.
        return b"" if text is None else text

    def _refuse_too_many(self, allowance: Allowance, *, ref: str | None) -> bool:
        wait = allowance.take(asyncio.get_running_loop().time())
        if not wait:
            return False
        if allowance.refused > MOST_REFUSED:
            raise Closed(TOO_MANY_MESSAGES)
        self._put_error("too-many-messages", detail="Send fewer messages.", ref=ref, retry_after_ms=wait)
        return True

    async def _answer(self, message: ClientMessage) -> None:
        ref = message_ref(message)
        try:
            accepted = await self._do(message)
        except Problem as problem:
            self._put_error(problem.slug, detail=problem.detail, ref=ref, **problem.members)
        except DatabaseError:
            self._put_error("database-unavailable", detail="Send it again in a moment.", ref=ref)
        else:
            if accepted is not None:
                self.outbox.put_own("accepted", {"ref": ref, **accepted})

    async def _do(self, message: ClientMessage) -> dict[str, Any] | None:
        parts = self._parts
        match message:
            case PingMessage():
                data = {"server_time": in_utc(parts.clock.now()), "ref": message.ref}
                self.outbox.put_own("pong", data)
                return None
            case AnswerMessage():
                # Without a game no id is a game's, and the answer is refused as one of a stranger.
                game_id = self.outbox.game_id or message.question_id
                lag = 0.0 if self._connection is None else self._connection.round_trip
                time_taken_ms = await parts.batches.submit(
                    game_id,
                    user_id=self.caller.id,
                    question_id=message.question_id,
                    answer=message.answer,
                    lag_ms=round(lag * 1000),
                )
                return {"time_taken_ms": time_taken_ms}
            case ReadyMessage():
                await parts.seats.set_ready(self.lobby_id, self.caller.id, is_ready=message.is_ready)
            case ChatMessage():
                await parts.chat(self.caller, self.lobby_id, message.text)
            case AuthMessage():
                await self._renew(message)
        return {}

    async def _renew(self, message: AuthMessage) -> None:
        caller = await self._authenticate(message)
        if caller.id != self.caller.id:
            raise Closed(NOT_ALLOWED)
        self.caller = caller

    def _put_error(self, code: str, *, detail: str | None, ref: str | None, **members: Any) -> None:
        self.outbox.put_own("error", {"code": code, "detail": detail, "ref": ref, **members})

    async def _write_one(self) -> None:
        if (message := self.outbox.take()) is not None:
            await self._socket.send_text(message.text)

    async def _write_array(self) -> None:
        await self._socket.send_text(self.outbox.take_array())

    async def _close(self, code: int) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(code)


def message_ref(message: ClientMessage) -> str | None:
    """The reference that the client gave its message."""
    return getattr(message, "ref", None)


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
