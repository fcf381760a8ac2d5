"""Players and finished games by plain SQL, and boards as they have to be."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.services.l2p.players import Player

Place = tuple[int, int, str]
"""A rank, a value and a user."""


async def add_players(sql: "asyncpg.Connection[Any]", number: int, *, ratings: str = "1500") -> None:
    """Players whose ratings are an SQL expression of the number `n`."""
    await sql.execute(
        f"INSERT INTO users (username, rating) SELECT gen_random_uuid()::text, {ratings}"  # noqa: S608 - of the tests
        " FROM generate_series(1, $1) AS n",
        number,
    )


async def add_finished_game(
    sql: "asyncpg.Connection[Any]", scores: Mapping[UUID, int], *, status: str = "finished"
) -> UUID:
    """A game with these scores; gives its id."""
    lobby, game = uuid4(), uuid4()
    await sql.execute("INSERT INTO lobbies (id, name) VALUES ($1, 'By hand')", lobby)
    await sql.execute(
        "INSERT INTO games (id, lobby_id, status, ended_at) VALUES ($1, $2, $3, now())", game, lobby, status
    )
    await sql.executemany(
        "INSERT INTO game_participants (game_id, user_id, score) VALUES ($1, $2, $3)",
        [(game, player, score) for player, score in scores.items()],
    )
    return game


async def expect_board(sql: "asyncpg.Connection[Any]", values: str) -> list[Place]:
    """The whole board of a query that gives `user_id` and `value`."""
    rows = await sql.fetch(
        f"SELECT rank() OVER (ORDER BY value DESC) AS rank, value, user_id FROM ({values}) AS listed"  # noqa: S608
        " ORDER BY value DESC, user_id DESC"
    )
    return [(row["rank"], row["value"], str(row["user_id"])) for row in rows]


async def read_all(player: Player, **parameters: Any) -> list[Place]:
    """All pages of a board."""
    places: list[Place] = []
    cursor = None
    while True:
        response = await player.get(
            "/v1/leaderboard", **parameters | ({} if cursor is None else {"cursor": cursor})
        )
        assert response.status_code == 200, response.text
        page = response.json()
        places += [(item["rank"], item["value"], item["user"]["id"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return places
