"""Players of the tests, and their requests."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.tokens import TokenMint


@dataclass(frozen=True)
class Player:
    """A player with an access token, and a client of one application."""

    client: httpx.AsyncClient
    id: UUID
    headers: dict[str, str]

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """GET as this player."""
        return await self.client.get(path, params=parameters, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        """POST as this player, without a body unless one is given."""
        if body is None:
            return await self.client.post(path, headers=self.headers)
        return await self.client.post(path, json=body, headers=self.headers)

    async def create(self, **body: Any) -> dict[str, Any]:
        """A new lobby of this player."""
        response = await self.post("/v1/lobbies", {"name": "Friday quiz"} | body)
        assert response.status_code == 201, response.text
        lobby: dict[str, Any] = response.json()
        return lobby

    async def join(self, lobby: dict[str, Any], *, code: str | None = None) -> httpx.Response:
        """Join the lobby."""
        return await self.post(f"/v1/lobbies/{lobby['id']}/join", None if code is None else {"code": code})

    async def leave(self, lobby: dict[str, Any]) -> httpx.Response:
        """Leave the lobby."""
        return await self.post(f"/v1/lobbies/{lobby['id']}/leave")

    async def look_at(self, lobby: dict[str, Any]) -> dict[str, Any]:
        """The lobby as it is now."""
        response = await self.get(f"/v1/lobbies/{lobby['id']}")
        assert response.status_code == 200, response.text
        seen: dict[str, Any] = response.json()
        return seen


@dataclass(frozen=True)
class Crowd:
    """Makes players."""

    client: httpx.AsyncClient
    mint: TokenMint

    def player(
        self, *, user_id: UUID | None = None, client: httpx.AsyncClient | None = None, **claims: Any
    ) -> Player:
        """A new player, or the one of `user_id` with another token."""
        identifier = user_id or uuid4()
        headers = self.mint.headers(user_id=identifier, **claims)
        return Player(client=client or self.client, id=identifier, headers=headers)

    def players(self, number: int) -> list[Player]:
        """Several new players."""
        return [self.player() for _ in range(number)]


def own_player(client: httpx.AsyncClient, logged_in: httpx.Response) -> Player:
    """The player of an account of Learn2Play, from the response to its login."""
    answer = logged_in.json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    return Player(client=client, id=UUID(answer["user"]["id"]), headers=headers)
