"""A game of two players on two applications, played step by step."""

from typing import Any

import httpx

from tests.services.l2p.following import wait_for_phase
from tests.services.l2p.games.playing import start_game
from tests.services.l2p.players import Crowd, Player

SLOW = {"starting_ms": 0, "time_limit_ms": 120_000, "reveal_ms": 60_000}
WAITS_FOR_US = (
    "SELECT bool_or(pg_backend_pid() = ANY (pg_blocking_pids(pid))) FROM pg_locks WHERE NOT granted"
)
"""Whether another connection waits for a lock of this one."""


class Played:
    """A game with its host and one more player; `away` is the host at another process."""

    def __init__(self, crowd: Crowd, replica: httpx.AsyncClient) -> None:
        self.host, self.guest = crowd.players(2)
        self.away = Player(client=replica, id=self.host.id, headers=self.host.headers)
        self.lobby: dict[str, Any] = {}
        self.game: dict[str, Any] = {}

    async def start(self, **settings: Any) -> dict[str, Any]:
        """Start, and give the state with the first question open."""
        self.lobby = await self.host.create(settings=SLOW | settings)
        assert (await self.guest.join(self.lobby, code=self.lobby["code"])).status_code == 200
        self.game = await start_game(self.host, self.lobby)
        return await wait_for_phase(self.host, self.game, "question")

    async def answer(
        self, state: dict[str, Any], text: str, *, player: Player | None = None
    ) -> httpx.Response:
        """The player's answer to the open question; the guest's unless told otherwise."""
        body = {"question_id": state["question"]["id"], "answer": text}
        return await (player or self.guest).post(f"/v1/games/{self.game['id']}/answers", body)
