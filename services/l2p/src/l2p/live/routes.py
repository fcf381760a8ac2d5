"""The live channel of a lobby, `/v1/lobbies/{lobby_id}/events`: a web socket, or an event stream by GET."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, WebSocket
from fastapi.responses import JSONResponse

from l2p.dependencies import PlayerDep
from l2p.guest_access.errors import GuestNotAllowed
from l2p.live.asyncapi import describe
from l2p.live.dependencies import LivePartsDep
from l2p.live.errors import TooManySockets, TooManySpectators
from l2p.live.frames import SUBPROTOCOL
from l2p.live.session import SocketSession
from l2p.live.stream import EventStream
from l2p.lobbies.errors import LobbyClosed, LobbyNotFound
from l2p.settings import Settings
from webcommon.accounts.throttling.limits import network_of
from webcommon.api.problems import (
    BadRequest,
    Problem,
    ProblemResponse,
    Unauthorized,
    problem_document,
    problem_responses,
)
from webcommon.api.schemas import Digits
from webcommon.client_address import client_address

EVENTS_PATH = "/v1/lobbies/{lobby_id}/events"

router = APIRouter(tags=["live"])

_SECRETS = ("token", "access_token", "authorization")


@router.websocket(EVENTS_PATH)
async def follow_lobby(socket: WebSocket, lobby_id: UUID, parts: LivePartsDep) -> None:
    """The live channel of a lobby. `/asyncapi.json` describes its messages."""
    settings: Settings = socket.app.settings
    network = network_of(client_address(socket, settings.trusted_networks))
    try:
        _check_handshake(socket)
        with parts.sessions.admitted(network) as admission:
            await socket.accept(subprotocol=SUBPROTOCOL)
            await SocketSession(socket, lobby_id, parts, socket.app.verifier).run(admission)
    except Problem as refusal:
        document = problem_document(refusal, path=socket.url.path)
        response = ProblemResponse(document, status_code=refusal.status, headers=refusal.headers)
        await socket.send_denial_response(response)


def _check_handshake(socket: WebSocket) -> None:
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        raise BadRequest(f"Offer the subprotocol {SUBPROTOCOL}.")
    if any(name in socket.query_params for name in _SECRETS):
        # Addresses end up in logs.
        raise BadRequest("Send the token in the first message, not in the address.")


@router.get(
    EVENTS_PATH,
    operation_id="stream_events",
    summary="Follow a lobby by server-sent events",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problem_responses(
            Unauthorized, GuestNotAllowed, LobbyNotFound, LobbyClosed, TooManySpectators, TooManySockets
        ),
    },
)
async def stream_events(
    lobby_id: UUID,
    player: PlayerDep,
    parts: LivePartsDep,
    after: Annotated[
        Digits | None, Query(ge=0, lt=2**63, description="The `seq` of the last event that the client has.")
    ] = None,
    stream: Annotated[UUID | None, Query(description="The `stream` of that event's `welcome`.")] = None,
    last_event_id: Annotated[
        Digits | None, Header(ge=0, lt=2**63, description="The same as `after`, which it goes before.")
    ] = None,
) -> EventStream:
    """The messages of the web socket, each as the `data` of an event whose `id` is its `seq`. The first is `welcome`, with
    the whole state unless the client has an event already; `/asyncapi.json` describes them. A comment comes every 15 s."""
    last_seq = after if last_event_id is None else last_event_id
    return EventStream(parts, player, lobby_id, last_seq=last_seq, stream=stream)


@router.get("/asyncapi.json", include_in_schema=False)
async def read_asyncapi(request: Request) -> JSONResponse:
    """The live channel as an AsyncAPI 3 document."""
    return JSONResponse(describe(version=request.app.version))
