"""The statements on seats that are taken together."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Row, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.seats.entrants import Entrant, Standing

_LOBBY = bindparam("lobby_id", type_=Uuid())
_PLAYERS = bindparam("player_ids", type_=ARRAY(Uuid()))
_NAMES = bindparam("names", type_=ARRAY(Text()))
_KEYS = bindparam("keys", type_=ARRAY(Text()))

_STANDINGS = text(
    """
    SELECT coalesce(users.username, users.nickname) AS username,
        EXISTS (
            SELECT FROM lobby_players AS seat WHERE seat.lobby_id = :lobby_id AND seat.user_id = entrant.id
        ) OR EXISTS (
            SELECT FROM lobbies
            WHERE lobbies.id = :lobby_id AND host_id = entrant.id AND settings ->> 'host_plays' = 'false'
        ) AS is_in,
        EXISTS (
            SELECT FROM lobby_bans AS ban WHERE ban.lobby_id = :lobby_id AND ban.user_id = entrant.id
        ) AS is_banned,
        EXISTS (
            SELECT FROM games JOIN game_participants AS part ON part.game_id = games.id
            WHERE games.lobby_id = :lobby_id AND games.status NOT IN ('finished', 'aborted')
                AND part.user_id = entrant.id
        ) AS takes_part,
        entrant.key IS NOT NULL AND (
            EXISTS (
                SELECT FROM users AS other WHERE other.guest_lobby_id = :lobby_id AND other.nickname_key = entrant.key
            ) OR EXISTS (
                SELECT FROM users AS other
                JOIN lobbies ON lobbies.id = :lobby_id
                LEFT JOIN lobby_players AS seat ON seat.lobby_id = lobbies.id AND seat.user_id = other.id
                WHERE other.username = entrant.key::citext AND other.id IN (seat.user_id, lobbies.host_id)
            )
        ) AS is_name_taken
    FROM unnest(:player_ids, :keys) WITH ORDINALITY AS entrant (id, key, number)
    LEFT JOIN users ON users.id = entrant.id
    ORDER BY entrant.number
    """
).bindparams(_LOBBY, _PLAYERS, _KEYS)

_COUNT = text("SELECT count(*) FROM lobby_players WHERE lobby_id = :lobby_id").bindparams(_LOBBY)

_INSERT_GUESTS = text(
    """
    INSERT INTO users (id, is_guest, guest_lobby_id, nickname, nickname_key)
    SELECT guest.id, true, :lobby_id, guest.name, guest.key
    FROM unnest(:player_ids, :names, :keys) AS guest (id, name, key)
    RETURNING id, nickname AS username, rating, created_at
    """
).bindparams(_LOBBY, _PLAYERS, _NAMES, _KEYS)

# Not now(), the start of the transaction: others may have joined while it waited for the lobby.
_INSERT_SEATS = text(
    """
    INSERT INTO lobby_players (lobby_id, user_id, joined_at)
    SELECT :lobby_id, player.id, clock_timestamp() + player.number * interval '1 microsecond'
    FROM unnest(:player_ids) WITH ORDINALITY AS player (id, number)
    """
).bindparams(_LOBBY, _PLAYERS)

_SET_READY = text(
    """
    UPDATE lobby_players AS seat SET is_ready = wanted.is_ready
    FROM unnest(:player_ids, :ready) AS wanted (id, is_ready)
        JOIN lobby_players AS before ON before.lobby_id = :lobby_id AND before.user_id = wanted.id
    WHERE seat.id = before.id
    RETURNING seat.user_id, before.is_ready <> wanted.is_ready AS changed
    """
).bindparams(_LOBBY, _PLAYERS, bindparam("ready", type_=ARRAY(Boolean())))


async def find_standings(db: AsyncSession, lobby_id: UUID, entrants: Sequence[Entrant]) -> list[Standing]:
    """What a locked lobby has of each entrant."""
    parameters = {
        "lobby_id": lobby_id,
        "player_ids": [entrant.user_id for entrant in entrants],
        "keys": [entrant.guest and entrant.guest.key for entrant in entrants],
    }
    rows = (await db.execute(_STANDINGS, parameters)).mappings()
    return [Standing(**row) for row in rows]


async def count_seats(db: AsyncSession, lobby_id: UUID) -> int:
    """The seats that are taken in a locked lobby."""
    return int((await db.execute(_COUNT, {"lobby_id": lobby_id})).scalar_one())


async def insert_guests(
    db: AsyncSession, lobby_id: UUID, entrants: Sequence[Entrant]
) -> dict[UUID, Row[Any]]:
    """Store the guests among the entrants; gives what others may see of each."""
    guests = [(entrant.user_id, entrant.guest) for entrant in entrants if entrant.guest]
    if not guests:
        return {}
    parameters = {
        "lobby_id": lobby_id,
        "player_ids": [user_id for user_id, _ in guests],
        "names": [guest.nickname for _, guest in guests],
        "keys": [guest.key for _, guest in guests],
    }
    return {row.id: row for row in await db.execute(_INSERT_GUESTS, parameters)}


async def insert_seats(db: AsyncSession, lobby_id: UUID, player_ids: Collection[UUID]) -> None:
    """Give players seats in a locked lobby, in this order."""
    await db.execute(_INSERT_SEATS, {"lobby_id": lobby_id, "player_ids": list(player_ids)})


async def set_ready(db: AsyncSession, lobby_id: UUID, ready: Mapping[UUID, bool]) -> dict[UUID, bool]:
    """Set whether players of a locked lobby are ready; gives for each who has a seat whether that changed something."""
    parameters = {"lobby_id": lobby_id, "player_ids": list(ready), "ready": list(ready.values())}
    return {row.user_id: row.changed for row in await db.execute(_SET_READY, parameters)}
