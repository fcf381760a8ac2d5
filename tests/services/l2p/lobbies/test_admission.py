"""Who of a batch of entrants gets a seat."""

from dataclasses import replace
from uuid import uuid4

from l2p.lobbies.errors import Banned, GameUnderWay, LobbyClosed, LobbyFull, LobbyLocked
from l2p.lobbies.schemas import LobbySettings
from l2p.seats.entrants import Entrant, Guest, Place, Standing, admit
from l2p.seats.errors import NicknameTaken

PLACE = Place(status="waiting", max_players=8, settings=LobbySettings(), taken=1)
STRANGER = Standing(username="Ada", is_in=False, is_banned=False, takes_part=False, is_name_taken=False)
GUEST = replace(STRANGER, username=None)


def judge(place: Place, *standings: Standing) -> list[type[Exception] | None]:
    """The outcomes for players with these standings."""
    entrants = [Entrant(user_id=uuid4()) for _ in standings]
    return [type(problem) if problem else None for problem in admit(place, entrants, standings)]


def test_seats_go_to_those_who_came_first() -> None:
    assert judge(replace(PLACE, taken=6), *[STRANGER] * 4) == [None, None, LobbyFull, LobbyFull]


def test_who_has_a_seat_takes_none() -> None:
    seated = replace(STRANGER, is_in=True)
    assert judge(replace(PLACE, taken=7), seated, STRANGER, seated, STRANGER) == [None, None, None, LobbyFull]


def test_one_player_who_asks_twice_takes_one_seat() -> None:
    twice, other = Entrant(user_id=uuid4()), Entrant(user_id=uuid4())
    outcomes = admit(replace(PLACE, taken=6), [twice, twice, other], [STRANGER] * 3)
    assert outcomes == [None, None, None]


def test_each_refusal() -> None:
    banned = replace(STRANGER, is_banned=True)
    assert judge(PLACE, banned, STRANGER) == [Banned, None]
    assert judge(replace(PLACE, status="closed"), banned) == [LobbyClosed]
    locked = replace(PLACE, settings=LobbySettings(locked=True))
    assert judge(locked, STRANGER, replace(STRANGER, takes_part=True)) == [LobbyLocked, None]
    no_late_join = replace(PLACE, status="in_game", settings=LobbySettings(allow_late_join=False))
    assert judge(no_late_join, STRANGER, replace(STRANGER, takes_part=True)) == [GameUnderWay, None]


def test_a_nickname_is_given_once() -> None:
    def knock(name: str) -> Entrant:
        return Entrant(user_id=uuid4(), guest=Guest(nickname=name, key=name.lower()))

    player = Entrant(user_id=uuid4())
    entrants = [player, knock("ADA"), knock("Grace"), knock("grace"), knock("Alan")]
    standings = [STRANGER, GUEST, GUEST, GUEST, replace(GUEST, is_name_taken=True)]
    outcomes = [type(problem) if problem else None for problem in admit(PLACE, entrants, standings)]
    assert outcomes == [None, NicknameTaken, None, NicknameTaken, NicknameTaken]


def test_the_name_of_a_guest_who_found_no_seat_is_free() -> None:
    guest = Entrant(user_id=uuid4(), guest=Guest(nickname="Ana", key="ana"))
    locked = replace(PLACE, settings=LobbySettings(locked=True))
    outcomes = [
        type(problem) if problem else None for problem in admit(locked, [guest, guest], [GUEST, GUEST])
    ]
    assert outcomes == [LobbyLocked, LobbyLocked]
