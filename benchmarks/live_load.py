"""The players of `live.py`: sockets of many lobbies in one process, which measures what they receive.

Reads a JSON object from standard input (`port`, `tokens`, `lobbies`: players by lobby, `burst`: seconds within which the
players of a lobby answer, `questions`, `seconds`: the time limit) and prints delays in milliseconds and counts.
"""

import asyncio
import functools
import json
import random
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("quartet.v1")

JOINING_SECONDS = 8.0
"""Within which the players come."""

SETTINGS = {"starting_ms": 1000, "reveal_ms": 1000, "time_limit_ms": 10_000}


parse = functools.lru_cache(maxsize=1000)(json.loads)
"""Most frames go to all players of a lobby as they are; parsing each five hundred times would be this process's whole work."""


@dataclass
class Measured:
    """What the players saw, in milliseconds and numbers."""

    acknowledged: list[float] = field(default_factory=list)
    opened: list[list[float]] = field(default_factory=list)
    lost_events: int = 0
    accepted: int = 0
    refused: int = 0
    turned_away: int = 0
    joining_seconds: float = 0.0
    joined_at: float = 0.0


class Player:
    """A socket of a lobby."""

    def __init__(self, measured: Measured, token: str, lobby_id: str, *, port: int, burst: float) -> None:
        self._measured, self._token, self._lobby_id = measured, token, lobby_id
        self._url = f"ws://127.0.0.1:{port}/v1/lobbies/{lobby_id}/events"
        self._burst = burst
        self._sent: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.welcomed = asyncio.Event()
        self.opened_at: dict[str, float] = {}

    async def play(self) -> None:
        """Join by the socket's events, get ready, answer, until the game is over."""
        async with await self._connect() as socket:
            await socket.send(json.dumps({"type": "auth", "token": self._token, "batch": True}))
            seq = None
            async for text in socket:
                received = parse(text)
                for message in received if isinstance(received, list) else [received]:
                    if message["type"] == "welcome":
                        seq = message["seq"]
                        await socket.send(json.dumps({"type": "ready", "is_ready": True}))
                        self.welcomed.set()
                        continue
                    if message["seq"] is not None and seq is not None:
                        self._measured.lost_events += message["seq"] != seq + 1
                        seq = message["seq"]
                    if await self._take(socket, message):
                        return

    async def _connect(self) -> ClientConnection:
        # Of five hundred who come at once more than fifty may wait to send their token.
        while True:
            try:
                return await connect(self._url, subprotocols=[PROTOCOL], compression=None, proxy=None)
            except InvalidStatus as error:
                if error.response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                self._measured.turned_away += 1
                await asyncio.sleep(random.uniform(0.5, 1.5))

    async def _take(self, socket: Any, message: dict[str, Any]) -> bool:
        kind, data = message["type"], message["data"]
        if kind == "question.opened":
            self.opened_at[data["question"]["id"]] = time.perf_counter()
            task = asyncio.create_task(self._answer(socket, data["question"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == "accepted" and data["ref"] in self._sent:
            self._measured.accepted += 1
            self._measured.acknowledged.append((time.perf_counter() - self._sent[data["ref"]]) * 1000)
        elif kind == "error":
            self._measured.refused += 1
        return kind in ("game.finished", "game.aborted")

    async def _answer(self, socket: Any, question: dict[str, Any]) -> None:
        await asyncio.sleep(random.uniform(0, self._burst))
        self._sent[question["id"]] = time.perf_counter()
        answer = random.choice(question["options"])
        message = {"type": "answer", "question_id": question["id"], "answer": answer, "ref": question["id"]}
        await socket.send(json.dumps(message))


async def post(port: int, path: str, body: dict[str, Any] | None, *, token: str) -> Any:
    """The JSON response to a player's request, on a connection of its own; RuntimeError for a refusal.

    A pool of connections would cost this process most of its time.
    """
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        head, _, received = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(received.decode())
    return json.loads(received)


async def play_lobby(
    measured: Measured,
    tokens: list[str],
    *,
    port: int,
    burst: float,
    questions: int,
) -> None:
    """A game of these players; the first one hosts."""
    body = {"name": "Load", "max_players": len(tokens), "settings": SETTINGS}
    lobby = await post(port, "/v1/lobbies", body, token=tokens[0])
    started = time.perf_counter()
    players = [Player(measured, token, lobby["id"], port=port, burst=burst) for token in tokens]

    async def enter(player: Player, token: str) -> "asyncio.Task[None]":
        await asyncio.sleep(random.uniform(0, JOINING_SECONDS))
        await post(port, f"/v1/lobbies/{lobby['id']}/join", None, token=token)
        return asyncio.create_task(player.play())

    tasks = await asyncio.gather(
        *(enter(player, token) for player, token in zip(players, tokens, strict=True))
    )
    await asyncio.gather(*(player.welcomed.wait() for player in players))
    measured.joining_seconds = max(measured.joining_seconds, time.perf_counter() - started)
    await asyncio.sleep(1)
    measured.joined_at = max(measured.joined_at, time.time())
    asked = [
        {"question_text": f"{number}?", "options": ["a", "b", "c", "d"], "correct_answer": "a"}
        for number in range(questions)
    ]
    start = {"questions": asked, "force": True}
    await post(port, f"/v1/lobbies/{lobby['id']}/games", start, token=tokens[0])
    await asyncio.gather(*tasks)
    for question_id in players[0].opened_at:
        moments = [player.opened_at[question_id] for player in players]
        measured.opened.append([(moment - min(moments)) * 1000 for moment in moments])


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)], 1)


async def drive(
    *, port: int, tokens: list[str], lobbies: list[int], burst: float, questions: int, seconds: float
) -> dict[str, Any]:
    """Play all lobbies at once, for at most so many seconds."""
    measured = Measured()
    games, first = [], 0
    for size in lobbies:
        own = tokens[first : first + size]
        games.append(play_lobby(measured, own, port=port, burst=burst, questions=questions))
        first += size
    async with asyncio.timeout(seconds):
        await asyncio.gather(*games)
    spreads = [delay for question in measured.opened for delay in question]
    return {
        "acknowledged_p99_ms": percentile(measured.acknowledged, 0.99),
        "acknowledged_worst_ms": percentile(measured.acknowledged, 1),
        "opened_spread_p99_ms": percentile(spreads, 0.99),
        "joined_at": measured.joined_at,
        "joining_seconds": round(measured.joining_seconds, 1),
        "accepted": measured.accepted,
        "refused": measured.refused,
        "lost_events": measured.lost_events,
        "turned_away": measured.turned_away,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(**json.load(sys.stdin)))))
