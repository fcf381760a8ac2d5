"""The web socket of a lobby: `/v1/lobbies/{lobby_id}/events`."""

from uuid import UUID

from fastapi import APIRouter, WebSocket

from l2p.live.dependencies import LivePartsDep
from l2p.live.frames import SUBPROTOCOL
from l2p.live.session import SocketSession
from webcommon.api.problems import BadRequest, ProblemResponse, problem_document

router = APIRouter(prefix="/v1/lobbies", tags=["live"])

_SECRETS = ("token", "access_token", "authorization")


@router.websocket("/{lobby_id}/events")
async def follow_lobby(socket: WebSocket, lobby_id: UUID, parts: LivePartsDep) -> None:
    """The live channel of a lobby. `/asyncapi.json` describes its messages."""
    refusal = _find_refusal(socket)
    if refusal is not None:
        await socket.send_denial_response(ProblemResponse(problem_document(refusal, path=socket.url.path)))
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    await SocketSession(socket, lobby_id, parts, socket.app.verifier).run()


def _find_refusal(socket: WebSocket) -> BadRequest | None:
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        return BadRequest(f"Offer the subprotocol {SUBPROTOCOL}.")
    if any(name in socket.query_params for name in _SECRETS):
        # Addresses end up in logs.
        return BadRequest("Send the token in the first message, not in the address.")
    return None
