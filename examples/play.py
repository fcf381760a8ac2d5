"""A whole quiz game: ten players, half of them over web sockets, half over plain HTTP.

Start the services (`make up`), then run `.venv/bin/python examples/play.py`. Each run creates accounts of its own.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("quartet.v1")
QUESTIONS = [
    {
        "question_text": "Which planet is the largest?",
        "options": ["Mars", "Jupiter", "Venus"],
        "correct_answer": "Jupiter",
    },
    {"question_text": "What is 7 times 8?", "options": ["54", "56", "63", "64"], "correct_answer": "56"},
    {"question_text": "Is a tomato a fruit?", "options": ["yes", "no"], "correct_answer": "yes"},
]
SETTINGS = {"starting_ms": 1000, "reveal_ms": 1000, "time_limit_ms": 5000, "streak_bonus": True}


class Player:
    """An account of Learn2Play that plays."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.name = name
        self._client = client
        self._headers: dict[str, str] = {}
        self._token = ""

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a response. Raises `httpx.HTTPStatusError` for a refusal."""
        response = await self._client.request(method, path, json=body, headers=self._headers)
        response.raise_for_status()
        return response.json() if response.content else None

    async def sign_up(self) -> None:
        """Create the account, and log in."""
        account = {"username": self.name, "password": secrets.token_urlsafe()}
        await self.call("POST", "/v1/auth/register", {**account, "email": f"{self.name}@example.com"})
        login = {"login": account["username"], "password": account["password"]}
        self._token = (await self.call("POST", "/v1/auth/login", login))["access_token"]
        self._headers = {"Authorization": f"Bearer {self._token}"}

    async def play_by_socket(self, lobby_id: str) -> None:
        """Follow the lobby's events, and answer each question when it opens."""
        url = str(self._client.base_url).replace("http", "ws", 1).rstrip("/")
        async with connect(f"{url}/v1/lobbies/{lobby_id}/events", subprotocols=[PROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "auth", "token": self._token}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "question.opened":
                    await self._answer_by_socket(socket, message["data"]["question"])
                elif message["type"] == "question.closed":
                    you = message["data"]["you"]
                    print(f"  {self.name}: {you['answer']!r}, {you['points']} points, rank {you['rank']}")
                elif message["type"] == "game.finished":
                    return

    async def _answer_by_socket(self, socket: ClientConnection, question: dict[str, Any]) -> None:
        await asyncio.sleep(random.uniform(0.1, 2))
        answer = random.choice(question["options"])
        await socket.send(json.dumps({"type": "answer", "question_id": question["id"], "answer": answer}))

    async def play_by_http(self, game_id: str) -> None:
        """Ask for the game's state, and answer the question that is open."""
        answered = None
        while True:
            game = await self.call("GET", f"/v1/games/{game_id}")
            if game["status"] in ("finished", "aborted"):
                return
            question = game["question"]
            if question is not None and question["id"] != answered:
                answered = question["id"]
                await asyncio.sleep(random.uniform(0.1, 2))
                body = {"question_id": answered, "answer": random.choice(question["options"])}
                await self.call("POST", f"/v1/games/{game_id}/answers", body)
            await asyncio.sleep(0.3)


async def play(url: str, number: int) -> None:
    """Play one game of so many players, and print its ranking."""
    run = secrets.token_hex(3)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        players = [Player(client, f"player-{index}-{run}") for index in range(1, number + 1)]
        await asyncio.gather(*(player.sign_up() for player in players))
        host, *guests = players
        lobby = await host.call(
            "POST", "/v1/lobbies", {"name": "Ten at a table", "max_players": number, "settings": SETTINGS}
        )
        print(f"{host.name} opened a lobby: join it with {lobby['code']}")
        await asyncio.gather(*(guest.call("POST", f"/v1/lobbies/{lobby['id']}/join") for guest in guests))
        sockets = [asyncio.create_task(player.play_by_socket(lobby["id"])) for player in players[::2]]
        await asyncio.sleep(0.5)  # so that all are connected when the game begins
        game = await host.call(
            "POST", f"/v1/lobbies/{lobby['id']}/games", {"questions": QUESTIONS, "force": True}
        )
        await asyncio.gather(*sockets, *(player.play_by_http(game["id"]) for player in players[1::2]))
        results = await host.call("GET", f"/v1/games/{game['id']}/results")
    print("The ranking:")
    for row in results["items"]:
        print(f"  {row['rank']:>2}. {row['username']}: {row['score']} points, {row['correct_answers']} right")


def main() -> None:
    """Read the options, and play."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--url", default="http://localhost:3001", help="where Learn2Play listens (default: %(default)s)"
    )
    parser.add_argument("--players", type=int, default=10, help="how many play (default: %(default)s)")
    options = parser.parse_args()
    try:
        asyncio.run(play(options.url, options.players))
    except httpx.ConnectError:
        sys.exit(f"Learn2Play does not listen at {options.url}: start it with `make up`, or give --url.")


if __name__ == "__main__":
    main()
