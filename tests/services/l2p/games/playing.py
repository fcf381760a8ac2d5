"""A whole game as its players see it: sockets and HTTP on running processes."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.processes import Running
from tests.services.l2p.described import check_frame
from tests.services.l2p.players import Crowd, Player
from tests.sockets import Socket, open_socket
from tests.tokens import TokenMint

QUESTIONS = [
    {"question_text": "2 + 2?", "options": ["3", "4", "5"], "correct_answer": "4"},
    {"question_text": "The largest planet?", "options": ["Mars", "Jupiter"], "correct_answer": "Jupiter"},
]

LARGEST_FRAME = 64 * 1024 - 1
"""Bytes: the server's frames stay below 64 kB."""

LONGEST_REF = 64

QUICK = {"starting_ms": 0, "reveal_ms": 0, "time_limit_ms": 5000}
"""The settings of a game that takes no longer than its answers."""


@dataclass
class Follower:
    """A player's socket on a lobby, with every event that it received."""

    socket: Socket
    welcome: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    _seen: int = 0
    """Events that a wait has passed."""

    async def receive(self) -> dict[str, Any]:
        """The next message; events of the log are kept."""
        message: dict[str, Any] = await self.socket.receive()
        if message["seq"] is not None:
            self.events.append(message)
        return message

    async def wait_for(self, kind: str) -> dict[str, Any]:
        """The next event of this type, after those that earlier waits passed."""
        while True:
            while self._seen < len(self.events):
                self._seen += 1
                event = self.events[self._seen - 1]
                if event["type"] == kind:
                    return event
            await self.receive()

    async def answer(self, question: dict[str, Any], text: str) -> dict[str, Any]:
        """Answer a question, and give the response to it."""
        ref = text[:LONGEST_REF]
        await self.socket.send({"type": "answer", "question_id": question["id"], "answer": text, "ref": ref})
        while True:
            message = await self.receive()
            if message["type"] in ("accepted", "error") and message["data"]["ref"] == ref:
                return message


def token_of(player: Player) -> str:
    """The player's access token."""
    return player.headers["Authorization"].removeprefix("Bearer ")


@contextlib.asynccontextmanager
async def following(
    process: Running, lobby: dict[str, Any], player: Player, *, port: int | None = None, **auth: Any
) -> AsyncIterator[Follower]:
    """The player's socket on the lobby at one process, after its welcome; `port` is one that leads there."""
    port = port or process.client.base_url.port
    assert port is not None
    async with open_socket(
        port,
        f"/v1/lobbies/{lobby['id']}/events",
        subprotocols=["quartet.v1"],
        check=check_frame,
        max_size=LARGEST_FRAME,
    ) as socket:
        await socket.send({"type": "auth", "token": token_of(player), **auth})
        yield Follower(socket, welcome=await socket.receive())


async def start_game(host: Player, lobby: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Start a game of the lobby."""
    response = await host.post(
        f"/v1/lobbies/{lobby['id']}/games", {"questions": QUESTIONS, "force": True} | body
    )
    assert response.status_code == 201, response.text
    game: dict[str, Any] = response.json()
    return game


def without_own_rows(events: list[dict[str, Any]]) -> list[str]:
    """Events as all receivers have them."""
    return [
        json.dumps({**event, "data": {name: value for name, value in event["data"].items() if name != "you"}})
        for event in events
    ]


async def play_together(host: Player, lobby: dict[str, Any], guest: Follower) -> None:
    """A whole game of two players at two processes."""
    game = await start_game(host, lobby)
    for answer in ("4", "Mars"):
        question = (await guest.wait_for("question.opened"))["data"]["question"]
        assert (await guest.answer(question, answer))["type"] == "accepted"
        body = {"question_id": question["id"], "answer": answer}
        assert (await host.post(f"/v1/games/{game['id']}/answers", body)).status_code == 202
    await guest.wait_for("game.finished")


@contextlib.asynccontextmanager
async def seated(
    pair: tuple[Running, Running], mint: TokenMint
) -> AsyncIterator[tuple[Player, dict[str, Any], Follower]]:
    """A host at one process, the lobby, and a guest's socket at the other."""
    host, guest = (Crowd(process.client, mint).player() for process in pair)
    lobby = await host.create(settings=QUICK)
    await guest.join(lobby)
    async with following(pair[1], lobby, guest) as follower:
        yield host, lobby, follower
