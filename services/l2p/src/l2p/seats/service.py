"""The rules of seats, for a batch of requests in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.lobbies.errors import LobbyNotFound, NoSeat
from l2p.lobbies.repository import lock_lobby
from l2p.lobbies.schemas import Lobby, LobbySettings
from l2p.lobbies.service import read_any_lobby, set_host
from l2p.log.events import NewEvent
from l2p.log.log import LobbyLog
from l2p.running_games.repository import insert_late_participants
from l2p.seats import repository
from l2p.seats.entrants import Entrant, Place, admit
from webcommon.api.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A lobby after its batch of entrants, and those who were new guests."""

    lobby: Lobby
    guests: dict[UUID, Row[Any]]

    @cached_property
    def json(self) -> str:
        """The lobby, which all of the batch receive."""
        return self.lobby.model_dump_json()


async def join_lobby(
    db: AsyncSession, lobby_id: UUID, entrants: Sequence[Entrant], *, log: LobbyLog
) -> list[Joined | Problem]:
    """Give each entrant a seat, unless they have one. While a game runs they take part in it from the open question on.

    An entrant without one gets `LobbyClosed`, `Banned`, `LobbyLocked`, `GameUnderWay`, `LobbyFull` or `NicknameTaken`; raises
    `LobbyNotFound`.
    """
    lobby = await lock_lobby(db, lobby_id)
    if lobby is None:
        raise LobbyNotFound
    standings = await repository.find_standings(db, lobby_id, entrants)
    place = Place(
        status=lobby.status,
        max_players=lobby.max_players,
        settings=LobbySettings.model_validate(lobby.settings),
        taken=await repository.count_seats(db, lobby_id),
    )
    problems = admit(place, entrants, standings)
    admitted: dict[UUID, Entrant] = {}
    names: dict[UUID, str | None] = {}
    for entrant, standing, problem in zip(entrants, standings, problems, strict=True):
        if problem is None and not standing.is_in:
            admitted[entrant.user_id] = entrant
            names[entrant.user_id] = entrant.guest.nickname if entrant.guest else standing.username
    guests = await repository.insert_guests(db, lobby_id, list(admitted.values()))
    if admitted:
        await repository.insert_seats(db, lobby_id, admitted)
        joined = [
            NewEvent(type="player.joined", data={"user_id": player_id, "username": name})
            for player_id, name in names.items()
        ]
        await log.append(db, lobby_id, *joined)
        if lobby.status == "in_game":
            await insert_late_participants(db, lobby_id, player_ids=list(admitted))
        if lobby.host_id is None:
            # The host's account was deleted.
            await set_host(db, lobby_id, host_id=next(iter(admitted)), log=log)
    result = Joined(lobby=await read_any_lobby(db, lobby_id), guests=guests)
    return [problem or result for problem in problems]


async def set_ready(
    db: AsyncSession, lobby_id: UUID, wishes: Sequence[tuple[UUID, bool]], *, log: LobbyLog
) -> list[Problem | None]:
    """Set for each player whether they are ready; of two wishes of one player the later one counts. Without a seat a player
    gets `NoSeat`."""
    await lock_lobby(db, lobby_id)
    ready = dict(wishes)
    changed = await repository.set_ready(db, lobby_id, ready)
    events = [
        NewEvent(type="player.ready", data={"user_id": player_id, "is_ready": ready[player_id]})
        for player_id, is_other in changed.items()
        if is_other
    ]
    await log.append(db, lobby_id, *events)
    return [None if player_id in changed else NoSeat() for player_id, _ in wishes]
