"""A service as a process: how it stops without losing a request."""

import asyncio
import contextlib
import signal

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.clients import certificates
from tests.libs.webcommon.tiny_process import START_SECONDS, started
from tests.processes import free_port
from tests.services.auth.mail.mails import eventually
from tests.sockets import open_socket
from webcommon.app.drain import CLOSING_SECONDS, HANDOVER_SECONDS, Drain, longest_stop
from webcommon.app.http_protocol import BoundedHeadersProtocol
from webcommon.app.server import EXIT_CUT_OFF

pytestmark = pytest.mark.long


async def test_a_stop_drains_then_finishes_what_runs() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="1") as service:
        ready = await service.client.get("/readyz")
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1.5}))
        await service.said("slow request began")
        service.terminate()
        # A connection of its own each time: the listener itself must still be open.
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            draining = await fresh.get("/readyz")
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            alive = await fresh.get("/livez")
            late = await fresh.post("/v1/body", content=b"abc")
        answer = await slow
        status = await service.stopped()
    assert ready.status_code == 200
    assert (draining.status_code, draining.json()["reason"]) == (503, "the service is stopping")
    assert (alive.status_code, late.json()) == (200, 3)
    assert (answer.status_code, answer.json()) == (200, "done")
    assert status == 0
    assert service.errors == []
    assert "the lifespan ended" in [line["event"] for line in service.logged()]


async def test_objects_of_the_start_are_not_garbage_collected() -> None:
    async with started() as service:
        is_collected, spared = (await service.client.get("/v1/garbage")).json()
    assert is_collected
    assert spared > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_by_either_signal_is_status_0(number: signal.Signals) -> None:
    async with started() as service:
        service.process.send_signal(number)
        assert await service.stopped() == 0
    assert service.errors == []


async def test_after_the_drain_connections_are_refused() -> None:
    async with started() as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1.5}))
        await service.said("slow request began")
        service.terminate()
        await service.said("Shutting down")
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            with pytest.raises(httpx.ConnectError):
                await fresh.get("/livez")
        assert (await slow).status_code == 200
        assert await service.stopped() == 0


async def test_a_second_signal_cuts_the_drain_short() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="60") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 1}))
        await service.said("slow request began")
        service.terminate()
        async with asyncio.timeout(30):
            while (await service.client.get("/readyz")).status_code != 503:
                pass
        service.terminate()
        assert (await slow).status_code == 200
        assert await service.stopped() == 0


async def test_a_third_signal_waits_for_nobody() -> None:
    async with started(SHUTDOWN_DRAIN_SECONDS="60") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 60}))
        await service.said("slow request began")
        for line in ("", "Waiting for connections"):
            service.terminate()
            async with asyncio.timeout(30):
                while not line and (await service.client.get("/readyz")).status_code != 503:
                    pass
            await service.said(line)
        service.terminate()
        await service.stopped()
        with contextlib.suppress(httpx.TransportError):
            assert (await slow).status_code >= 500


async def test_a_request_that_outlives_its_grace_is_ended() -> None:
    async with started(SHUTDOWN_GRACE_SECONDS="0.5") as service:
        slow = asyncio.create_task(service.client.get("/v1/slow", params={"seconds": 60}))
        await service.said("slow request began")
        service.terminate()
        assert await service.stopped() == 0
        with contextlib.suppress(httpx.TransportError):
            assert (await slow).status_code >= 500


async def test_an_open_web_socket_is_closed_with_1012() -> None:
    async with started() as service, open_socket(service.port, "/v1/socket") as socket:
        assert await socket.receive_text() == "hello"
        service.terminate()
        assert await socket.closed() == 1012
        assert await service.stopped() == 0


async def test_an_accepted_connection_gets_its_first_answer_though_the_server_stops() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=BoundedHeadersProtocol, lifespan="off", log_config=None)
    )
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(START_SECONDS):
        await eventually(lambda: server.started)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        silent, other = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: len(server.server_state.connections) == 2)
        server.should_exit = True
        await eventually(lambda: not server.servers[0].is_serving())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = (await reader.read()).lower()
        assert answer.startswith(b"http/1.1 204 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert await silent.read() == b""
        await serving
    writer.close()
    other.close()


async def test_drain_hooks_run_before_the_sockets_close() -> None:
    async with started() as service, open_socket(service.port, "/v1/lease") as socket:
        assert await socket.receive() == {"held": True}
        service.terminate()
        assert await socket.receive() == {"held": False}
        # Without any drain time: the hook alone keeps the listener open.
        async with httpx.AsyncClient(base_url=str(service.client.base_url), verify=certificates()) as fresh:
            assert (await fresh.get("/readyz")).status_code == 503
            assert (await fresh.post("/v1/body", content=b"abc")).json() == 3
        await socket.send({"taken": True})
        assert await socket.closed() == 1012
        assert await service.stopped() == 0
    assert [line["level"] for line in service.logged() if "failed to hand over" in line["event"]] == ["error"]


async def test_a_hook_that_takes_too_long_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    drain = Drain(seconds=0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    assert drain.is_over
    drain.add(hang)
    assert not drain.is_over
    drain.start()
    drain.start()
    assert not drain.is_over
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "drain"]
    async with asyncio.timeout(30):
        await task
    assert drain.is_over
    assert [record.getMessage() for record in caplog.records] == [
        f"{hang.__qualname__} was cut off after 0.01 s of handing over"
    ]


async def test_a_hook_that_swallows_its_cancellation_keeps_the_process_no_longer_than_the_longest_stop() -> (
    None
):
    async with started(TINY_NEVER_HANDS_OVER="true", SHUTDOWN_GRACE_SECONDS="0") as service:
        service.terminate()
        await service.said("the lifespan ended")
        assert await service.stopped() == EXIT_CUT_OFF
    said = [line["event"] for line in service.logged()]
    cut_off = next(number for number, event in enumerate(said) if "was cut off after 5 s" in event)
    assert said.index("the lifespan ended") > cut_off
    assert said[-1] == "the process has not ended within 15 s of being told to; it is cut off"


def test_the_longest_stop_has_time_for_the_drain_or_else_the_hooks_and_the_requests() -> None:
    assert longest_stop(drain_seconds=0, grace_seconds=20) == HANDOVER_SECONDS + 20 + CLOSING_SECONDS
    assert longest_stop(drain_seconds=60, grace_seconds=20) == 60 + 20 + CLOSING_SECONDS
