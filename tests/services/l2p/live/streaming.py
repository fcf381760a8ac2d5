"""A client of event streams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.services.l2p.described import check_frame
from tests.services.l2p.games.playing import LARGEST_FRAME
from tests.services.l2p.players import Player
from tests.sockets import ANSWER_SECONDS


@dataclass
class Stream:
    """An event stream of a lobby; `ids` are those of the events that were received."""

    lines: AsyncIterator[str]
    ids: list[int] = field(default_factory=list)

    async def receive(self, *, seconds: float = ANSWER_SECONDS) -> Any:
        """The message of the next event. Raises `TimeoutError`, and `StopAsyncIteration` at the end of the stream."""
        message = None
        async with asyncio.timeout(seconds):
            while line := await anext(self.lines):
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(int(value))
                elif name == "data":
                    assert len(value.encode()) <= LARGEST_FRAME
                    message = json.loads(value)
                    check_frame(message)
        return await self.receive(seconds=seconds) if message is None else message

    async def wait_for(self, kind: str) -> Any:
        """The message of the next event of this type."""
        while (message := await self.receive())["type"] != kind:
            pass
        return message


@contextlib.asynccontextmanager
async def streaming(
    client: httpx.AsyncClient,
    lobby: dict[str, Any],
    player: Player,
    *,
    last_event_id: int | None = None,
    **query: Any,
) -> AsyncIterator[Stream]:
    """The player's event stream of the lobby at one process."""
    headers = dict(player.headers)
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    path = f"/v1/lobbies/{lobby['id']}/events"
    async with client.stream("GET", path, params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(response.aiter_lines())
