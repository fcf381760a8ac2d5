"""The statements on lobbies, their seats and their codes."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    Row,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.driver_statements import DriverStatement
from dbcommon.engine import Database
from dbcommon.json_rows import json_item, json_timestamp, prepare_page
from dbcommon.patterns import containing
from l2p.lobbies.schemas import LobbySettings
from l2p.models import (
    DISPLAY_NAME,
    IS_PUBLIC,
    IS_RUNNING,
    Game,
    Lobby,
    LobbyBan,
    LobbyConnection,
    LobbyPlayer,
    LobbyPresence,
    LobbyStatus,
    User,
)


@dataclass(frozen=True, kw_only=True)
class NewLobby:
    """A lobby to be stored."""

    id: UUID
    host_id: UUID
    name: str
    max_players: int
    settings: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class LobbyFilter:
    """The lobbies of a list: those with this status, and with `search` in their name unless it is None."""

    status: str
    search: str | None

    @property
    def scope(self) -> str:
        """The name of the list: a cursor of another list is refused."""
        return f"lobbies status={self.status} search={self.search or ''}"


@dataclass(frozen=True, kw_only=True)
class LobbyPosition:
    """A position in a list: after the lobby with these values."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, kw_only=True)
class PlayerPosition:
    """A position in the list of a lobby's players: after the seat with these values."""

    joined_at: datetime
    id: UUID


@dataclass(frozen=True, kw_only=True)
class Seats:
    """The seats that are taken in a lobby, and whether a given player has one of them."""

    taken: int
    has_player: bool


_PLAYER_COUNT = (
    select(func.count())
    .where(LobbyPlayer.lobby_id == Lobby.id)
    .correlate(Lobby)
    .scalar_subquery()
    .label("player_count")
)
_SUMMARY = select(
    Lobby.id,
    Lobby.name,
    Lobby.code,
    Lobby.status,
    Lobby.creator_id,
    Lobby.host_id,
    Lobby.max_players,
    Lobby.settings,
    Lobby.created_at,
    _PLAYER_COUNT,
)
# Settings that a row lacks, since it is older than the setting or written by hand, have their defaults.
_ALL_SETTINGS = literal_column(f"'{LobbySettings().model_dump_json()}'::jsonb").op("||")(Lobby.settings)
_ITEM = json_item(
    id=Lobby.id,
    name=Lobby.name,
    code=Lobby.code,
    status=Lobby.status,
    creator_id=Lobby.creator_id,
    host_id=Lobby.host_id,
    max_players=Lobby.max_players,
    player_count=_PLAYER_COUNT,
    settings=_ALL_SETTINGS,
    created_at=json_timestamp(Lobby.created_at),
)
LISTED_PLAYERS = 100
"""Players that a lobby is read with; `find_players` gives all of them, in pages."""

_PLAYER = json_item(
    user_id=User.id,
    username=DISPLAY_NAME,
    rating=User.rating,
    is_ready=LobbyPlayer.is_ready,
    joined_at=json_timestamp(LobbyPlayer.joined_at),
)
_SEATED = select(_PLAYER, LobbyPlayer.joined_at, LobbyPlayer.id).join(User, User.id == LobbyPlayer.user_id)
_FIRST = (
    _SEATED.where(LobbyPlayer.lobby_id == Lobby.id)
    .correlate(Lobby)
    .order_by(LobbyPlayer.joined_at, LobbyPlayer.id)
    .limit(LISTED_PLAYERS)
    .lateral()
)
_PLAYERS = (
    select(
        func.coalesce(
            func.jsonb_agg(aggregate_order_by(cast(_FIRST.c.item, JSONB), _FIRST.c.joined_at, _FIRST.c.id)),
            text("'[]'::jsonb"),
        )
    )
    .scalar_subquery()
    .label("players")
)
_RUNNING_GAME = (
    select(Game.id)
    .where(Game.lobby_id == Lobby.id, IS_RUNNING)
    .correlate(Lobby)
    .scalar_subquery()
    .label("game_id")
)
# The presence of one who has just joined is stored a moment later.
_IS_GONE = exists().where(
    LobbyPresence.lobby_id == LobbyPlayer.lobby_id,
    LobbyPresence.user_id == LobbyPlayer.user_id,
    func.coalesce(LobbyPresence.seen_until <= func.clock_timestamp(), True),
) & ~exists().where(
    LobbyConnection.lobby_id == LobbyPlayer.lobby_id, LobbyConnection.user_id == LobbyPlayer.user_id
)
_WHOLE = _SUMMARY.add_columns(_RUNNING_GAME, _PLAYERS).where(Lobby.id == bindparam("lobby_id"))
_READER = bindparam("player_id", type_=Lobby.id.type)
# A host who does not play has no seat.
_IS_MEMBER = or_(
    Lobby.host_id == _READER,
    exists().where(LobbyPlayer.lobby_id == Lobby.id, LobbyPlayer.user_id == _READER),
)
_VISIBLE = _WHOLE.where(or_(IS_PUBLIC, _IS_MEMBER))
_CAN_JOIN_WITHOUT_CODE = select(or_(IS_PUBLIC, _IS_MEMBER).label("can_join")).where(
    Lobby.id == bindparam("lobby_id")
)


async def insert_lobby(db: AsyncSession, lobby: NewLobby, *, code: str) -> bool:
    """Store the lobby. False when another open lobby has this code."""
    statement = (
        insert(Lobby)
        .values(
            id=lobby.id,
            creator_id=lobby.host_id,
            host_id=lobby.host_id,
            name=lobby.name,
            code=code,
            max_players=lobby.max_players,
            status="waiting",
            settings=lobby.settings,
        )
        .on_conflict_do_nothing(index_elements=[Lobby.code], index_where=Lobby.status != text("'closed'"))
        .returning(Lobby.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def find_lobby(db: AsyncSession, lobby_id: UUID) -> Row[Any] | None:
    """The lobby with its players, private or not."""
    return (await db.execute(_WHOLE, {"lobby_id": lobby_id})).one_or_none()


async def find_visible_lobby(database: Database, lobby_id: UUID, *, player_id: UUID) -> Row[Any] | None:
    """The lobby with its players, if it is public or the player is in it."""
    return await database.fetch_one(_VISIBLE, {"lobby_id": lobby_id, "player_id": player_id})


async def can_join_without_code(database: Database, lobby_id: UUID, *, player_id: UUID) -> bool | None:
    """Whether the lobby is public or the player is in it. None when there is no such lobby."""
    row = await database.fetch_one(_CAN_JOIN_WITHOUT_CODE, {"lobby_id": lobby_id, "player_id": player_id})
    return None if row is None else bool(row.can_join)


async def find_page(
    database: Database, wanted: LobbyFilter, *, after: LobbyPosition | None, limit: int
) -> "asyncpg.Record":
    """Public lobbies, newest first: a page of the JSON of `LobbySummary`."""
    statement = _prepare_page(searches=wanted.search is not None, is_first=after is None)
    parameters: dict[str, Any] = {"status": wanted.status, "limit": limit}
    if wanted.search is not None:
        parameters["pattern"] = containing(wanted.search)
    if after is not None:
        parameters |= {"after_time": after.created_at, "after_id": after.id}
    return await database.fetch_page(statement, **parameters)


@cache
def _prepare_page(*, searches: bool, is_first: bool) -> DriverStatement:
    statement = select(_ITEM, Lobby.created_at, Lobby.id).where(
        Lobby.status == bindparam("status", type_=Text()), IS_PUBLIC
    )
    if searches:
        statement = statement.where(Lobby.name.ilike(bindparam("pattern", type_=Text()), escape="\\"))
    if not is_first:
        last = bindparam("after_time", type_=Lobby.created_at.type), bindparam("after_id", type_=Uuid())
        statement = statement.where(tuple_(Lobby.created_at, Lobby.id) < tuple_(*last))
    return prepare_page(statement.order_by(Lobby.created_at.desc(), Lobby.id.desc()))


async def find_players(
    database: Database, lobby_id: UUID, *, after: PlayerPosition | None, limit: int
) -> "asyncpg.Record":
    """The players of a lobby, the longest-present first: a page of the JSON of `LobbyPlayer`."""
    parameters: dict[str, Any] = {"lobby_id": lobby_id, "limit": limit}
    if after is not None:
        parameters |= {"after_time": after.joined_at, "after_id": after.id}
    return await database.fetch_page(_prepare_players(is_first=after is None), **parameters)


@cache
def _prepare_players(*, is_first: bool) -> DriverStatement:
    statement = _SEATED.where(LobbyPlayer.lobby_id == bindparam("lobby_id", type_=Uuid()))
    if not is_first:
        last = bindparam("after_time", type_=LobbyPlayer.joined_at.type), bindparam("after_id", type_=Uuid())
        statement = statement.where(tuple_(LobbyPlayer.joined_at, LobbyPlayer.id) > tuple_(*last))
    return prepare_page(statement.order_by(LobbyPlayer.joined_at, LobbyPlayer.id))


async def lock_lobby(db: AsyncSession, lobby_id: UUID) -> Lobby | None:
    """The lobby, locked until the transaction ends. Changes of its seats wait for each other here."""
    statement = select(Lobby).where(Lobby.id == lobby_id).with_for_update(key_share=True)
    return (await db.execute(statement)).scalar_one_or_none()


async def find_seats(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> Seats:
    """The seats of a locked lobby."""
    has_player = func.coalesce(func.bool_or(LobbyPlayer.user_id == player_id), False)
    statement = select(func.count(), has_player).where(LobbyPlayer.lobby_id == lobby_id)
    taken, has_seat = (await db.execute(statement)).one()
    return Seats(taken=taken, has_player=has_seat)


async def is_banned(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> bool:
    """Whether a player was put out of a lobby for good."""
    ban = exists().where(LobbyBan.lobby_id == lobby_id, LobbyBan.user_id == player_id)
    return bool((await db.execute(select(ban))).scalar_one())


async def insert_seat(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> str | None:
    """Give a player a seat in a locked lobby; gives the player's name."""
    # Not now(), the start of the transaction: others may have joined while it waited for the lobby.
    await db.execute(
        insert(LobbyPlayer).values(lobby_id=lobby_id, user_id=player_id, joined_at=func.clock_timestamp())
    )
    return await find_username(db, player_id)


async def find_username(db: AsyncSession, player_id: UUID) -> str | None:
    """The name of a player, which may differ from that of a token."""
    return (await db.execute(select(DISPLAY_NAME).where(User.id == player_id))).scalar_one_or_none()


async def delete_seat(db: AsyncSession, lobby_id: UUID, *, player_id: UUID) -> bool:
    """Free a player's seat in a locked lobby. False when there was none."""
    statement = (
        delete(LobbyPlayer)
        .where(LobbyPlayer.lobby_id == lobby_id, LobbyPlayer.user_id == player_id)
        .returning(LobbyPlayer.id)
    )
    return (await db.execute(statement)).one_or_none() is not None


async def find_longest_present(db: AsyncSession, lobby_id: UUID) -> UUID | None:
    """The player who has been in a lobby for the longest time, one who is connected if there is one; None when it is
    empty."""
    statement = (
        select(LobbyPlayer.user_id)
        .where(LobbyPlayer.lobby_id == lobby_id)
        .order_by(_IS_GONE, LobbyPlayer.joined_at, LobbyPlayer.id)
        .limit(1)
    )
    return (await db.execute(statement)).scalar_one_or_none()


async def set_host(db: AsyncSession, lobby_id: UUID, *, host_id: UUID) -> None:
    """Make a player the host."""
    await db.execute(update(Lobby).where(Lobby.id == lobby_id).values(host_id=host_id))


async def set_status(db: AsyncSession, lobby_id: UUID, *, status: LobbyStatus) -> None:
    """Set the status of a locked lobby."""
    await db.execute(update(Lobby).where(Lobby.id == lobby_id).values(status=status))


async def close_lobby(db: AsyncSession, lobby_id: UUID) -> None:
    """Close a lobby; its row and its games stay."""
    await db.execute(
        update(Lobby)
        .where(Lobby.id == lobby_id)
        .values(status="closed", host_id=None, closed_at=func.clock_timestamp())
    )
