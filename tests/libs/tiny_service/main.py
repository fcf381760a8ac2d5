"""Routes that are slow, read bodies, tear their answers or hold a socket; and no database."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from tests.libs.tiny_service.settings import Settings
from webcommon.app.connection import find_connection
from webcommon.app.service import Service

logger = logging.getLogger(__name__)
router = APIRouter()


@router.get("/v1/slow")
async def answer_slowly(seconds: float) -> str:
    """Answers after so many seconds."""
    logger.info("slow request began")
    await asyncio.sleep(seconds)
    return "done"


@router.post("/v1/body")
async def read_body(request: Request) -> int:
    """How many bytes came."""
    return len(await request.body())


@router.post("/v1/unread")
async def ignore_body() -> str:
    """Answers without looking at the body."""
    return "unread"


@router.get("/v1/torn")
async def tear_answer() -> StreamingResponse:
    """Breaks after the first bytes of its answer."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("torn with the password=hunter2-canary")

    return StreamingResponse(chunks())


@router.get("/v1/broken")
async def fail() -> None:
    """Fails with a secret in its text."""
    raise RuntimeError("postgresql://auth_user:hunter2-canary@localhost/auth_db")


@router.get("/v1/garbage")
async def tell_of_garbage() -> tuple[bool, int]:
    """Whether garbage is collected, and how many objects no collection looks at."""
    return gc.isenabled(), gc.get_freeze_count()


@router.websocket("/v1/socket")
async def hold_socket(socket: WebSocket) -> None:
    """Says hello and holds the socket until the other side leaves."""
    await socket.accept()
    await socket.send_text("hello")
    with contextlib.suppress(WebSocketDisconnect):
        await socket.receive_text()


@router.websocket("/v1/echo")
async def repeat_messages(socket: WebSocket) -> None:
    """Sends back what it gets."""
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


@router.websocket("/v1/flood")
async def flood_socket(socket: WebSocket, name: str = "") -> None:
    """Sends until the other side does not read, then closes."""
    await socket.accept()
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                await socket.send_text("x" * 32_768)
    await socket.close(1013)
    logger.info("the flood%s ended", name)


@router.websocket("/v1/lag")
async def tell_lag(socket: WebSocket) -> None:
    """Answers each message with the round trip in seconds that the server has measured."""
    await socket.accept()
    connection = find_connection(socket.scope)
    assert connection is not None
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
            await socket.send_json(connection.round_trip)


@router.websocket("/v1/lease")
async def hold_lease(socket: WebSocket) -> None:
    """Holds a lease until the other side says that it took it over."""
    await socket.accept()
    await socket.send_json({"held": True})
    taken_over = socket.app.state.leases.setdefault(socket, asyncio.Event())
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_json()
            taken_over.set()


@contextlib.asynccontextmanager
async def _lifespan(app: Service) -> AsyncIterator[None]:
    if app.component(Settings).fail_at_start:
        raise RuntimeError("the start failed")
    yield
    logger.info("the lifespan ended")


def create_app(settings: Settings) -> Service:
    """The application."""
    app = Service(
        settings,
        version="1.2.3",
        title="Tiny",
        description="",
        routers=[router],
        database=None,
        lifespan=_lifespan,
    )
    leases: dict[WebSocket, asyncio.Event] = {}
    app.state.leases = leases

    async def hand_over() -> None:
        for socket, taken_over in leases.items():
            await socket.send_json({"held": False})
            await taken_over.wait()

    async def fail_to_hand_over() -> None:
        raise RuntimeError("nobody takes it")

    async def hand_over_for_ever() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    app.on_drain(fail_to_hand_over)
    if settings.never_hands_over:
        app.on_drain(hand_over_for_ever)
    app.on_drain(hand_over)
    return app
