"""Who may take a seat. Pure rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from l2p.lobbies.errors import Banned, GameUnderWay, LobbyClosed, LobbyFull, LobbyLocked
from l2p.lobbies.schemas import LobbySettings
from l2p.seats.errors import NicknameTaken
from webcommon.api.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A guest who is not stored yet. `key` is what nicknames that look alike have in common."""

    nickname: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A player, or a new guest, who asks for a seat."""

    user_id: UUID
    guest: Guest | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a lobby has of an entrant. `username` is None for a new guest."""

    username: str | None
    is_in: bool
    """Whether they have a seat, or host without one."""
    is_banned: bool
    takes_part: bool
    is_name_taken: bool
    """Whether another guest, a player with a seat or the host has the new guest's name."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The lobby that entrants ask for."""

    status: str
    max_players: int
    settings: LobbySettings
    taken: int


def admit(place: Place, entrants: Sequence[Entrant], standings: Sequence[Standing]) -> list[Problem | None]:
    """For each entrant, in the order in which they came, why there is no seat for them; None for those who are in now."""
    taken = place.taken
    seated: set[UUID] = set()
    names: set[str] = set()
    outcomes: list[Problem | None] = []
    for entrant, standing in zip(entrants, standings, strict=True):
        if standing.is_in or entrant.user_id in seated:
            outcomes.append(None)
            continue
        name = entrant.guest.key if entrant.guest else (standing.username or "").lower()
        problem: Problem | None
        if entrant.guest and (standing.is_name_taken or name in names):
            problem = NicknameTaken()
        else:
            problem = _refuse(place, standing, taken=taken)
        if problem is None:
            taken += 1
            seated.add(entrant.user_id)
            names.add(name)
        outcomes.append(problem)
    return outcomes


def _refuse(place: Place, standing: Standing, *, taken: int) -> Problem | None:
    if place.status == "closed":
        return LobbyClosed()
    if standing.is_banned:
        return Banned()
    if place.settings.locked and not standing.takes_part:
        return LobbyLocked()
    if place.status == "in_game" and not place.settings.allow_late_join and not standing.takes_part:
        return GameUnderWay("This lobby does not allow late joining. Try again when the game is over.")
    if taken >= place.max_players:
        return LobbyFull(place.max_players)
    return None
