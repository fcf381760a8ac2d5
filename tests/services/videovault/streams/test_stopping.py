"""A process of the service that stops while a client does not read what it asked for."""

import asyncio
from pathlib import Path

import pytest

from dbcommon.settings import DatabaseSettings
from tests.processes import replica
from tests.raw_sockets import connect_unread
from tests.services.videovault.library import a_video

pytestmark = [pytest.mark.long, pytest.mark.database]


async def test_a_stream_does_not_hold_up_the_stop(database: DatabaseSettings, tmp_path: Path) -> None:
    folder = tmp_path.resolve()  # noqa: ASYNC240 - nothing else runs
    (folder / "a.mp4").write_bytes(bytes(50_000_000))
    settings = {"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_MEDIA_ROOTS": str(folder)}
    async with replica("videovault", database, **settings) as running:
        client = running.client
        assert (await client.post("/v1/roots", json={"path": str(folder)})).status_code == 201
        video = (await client.post("/v1/videos", json=a_video(file_path=str(folder / "a.mp4")))).json()
        port = client.base_url.port
        assert port is not None
        with await connect_unread(port) as raw:
            request = f"GET /v1/videos/{video['id']}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            await asyncio.get_running_loop().sock_sendall(raw, request.encode())
            head = await asyncio.get_running_loop().sock_recv(raw, 12)
            assert head == b"HTTP/1.1 200"
            await running.stop()
        # 1 would be that of a process that had to be cut off.
        assert running.process.returncode == 0
