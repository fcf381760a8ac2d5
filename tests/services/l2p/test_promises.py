"""The tables of docs/l2p.md are those of the code."""

from l2p.answers.repository import LAG_PER_GAME, LAG_PER_QUESTION
from l2p.codes.codes import CODE_ALPHABET, CODE_LENGTH
from l2p.codes.repository import GUESS_WINDOW, GUESSES
from l2p.codes.service import NETWORK_GUESSES
from l2p.guests.schemas import LONGEST_NICKNAME
from l2p.live import limits as live
from l2p.live.stream import SILENT_SECONDS
from l2p.lobbies.repository import LISTED_PLAYERS
from l2p.lobbies.schemas import LobbyRequest
from l2p.lobbies.service import CODE_ATTEMPTS
from l2p.models import INITIAL_RATING
from l2p.question_sets import limits
from l2p.settings import Settings
from l2p.tokens import GUEST_SECONDS
from tests.documented import unconnected
from tests.service_pages import read_routes, read_settings, read_table
from webcommon.accounts.credentials import MAXIMUM_PASSWORD_LENGTH, MINIMUM_PASSWORD_LENGTH, Registration
from webcommon.accounts.throttling.settings import SIGN_UPS
from webcommon.api.paging import DEFAULT_LIMIT, MAXIMUM_LIMIT
from webcommon.app.socket_protocol import MESSAGE_LIMIT, PING_SECONDS, PONG_SECONDS

USERNAME = Registration.model_json_schema()["properties"]["username"]
LOBBY = LobbyRequest.model_json_schema()["properties"]


def longest_search() -> int:
    """The longest `q` of the list of lobbies."""
    parameters = unconnected("l2p").openapi()["paths"]["/v1/lobbies"]["get"]["parameters"]
    (search,) = (parameter["schema"] for parameter in parameters if parameter["name"] == "q")
    length: int = search["anyOf"][0]["maxLength"]
    return length


SOCKETS = live.SocketLimits()

LIMITS = {
    "characters of a username, at least": USERNAME["minLength"],
    "characters of a username, at most": USERNAME["maxLength"],
    "characters of a password, at least": MINIMUM_PASSWORD_LENGTH,
    "characters of a password, at most": MAXIMUM_PASSWORD_LENGTH,
    "rating of a new player": INITIAL_RATING,
    "characters of a lobby's name, at most": LOBBY["name"]["maxLength"],
    "seats of a lobby, by default": LOBBY["max_players"]["default"],
    "seats of a lobby, at most": LOBBY["max_players"]["maximum"],
    "characters of a code": CODE_LENGTH,
    "characters that a code is made of": len(CODE_ALPHABET),
    "codes tried for a new lobby before 503": CODE_ATTEMPTS,
    "wrong codes of a player in the interval": GUESSES,
    "wrong codes of a network in the interval": NETWORK_GUESSES,
    "players that a lobby is read with": LISTED_PLAYERS,
    "interval of wrong codes, seconds": GUESS_WINDOW.seconds,
    "characters of a nickname, at most": LONGEST_NICKNAME,
    "seconds of a guest's token": GUEST_SECONDS,
    "items on a page, by default": DEFAULT_LIMIT,
    "items on a page, at most": MAXIMUM_LIMIT,
    "question sets of a player": limits.MAXIMUM_SETS,
    "questions of a set": limits.MAXIMUM_QUESTIONS,
    "options of a question, at least": limits.MINIMUM_OPTIONS,
    "options of a question, at most": limits.MAXIMUM_OPTIONS,
    "characters of a set's title": limits.LONGEST_TITLE,
    "characters of a question": limits.LONGEST_QUESTION,
    "characters of an option": limits.LONGEST_OPTION,
    "characters of an explanation": limits.LONGEST_EXPLANATION,
    "points of a question, by default": limits.DEFAULT_POINTS,
    "points of a question, at most": limits.MAXIMUM_POINTS,
    "time limit of a question, at least, ms": limits.SHORTEST_MS,
    "time limit of a question, at most, ms": limits.LONGEST_MS,
    "bytes of a client's message": MESSAGE_LIMIT,
    "seconds for the first message of a socket": int(live.AUTH_SECONDS),
    "messages of a socket a second": live.MESSAGES_PER_SECOND,
    "messages of a socket at once": live.MESSAGES_AT_ONCE,
    "chat messages of a socket a second": live.CHATS_PER_SECOND,
    "chat messages of a socket at once": live.CHATS_AT_ONCE,
    "refused messages that close a socket": live.MOST_REFUSED,
    "messages that wait for a client": live.QUEUED_MESSAGES,
    "bytes that wait for a client": live.QUEUED_BYTES,
    "seconds that a client may take nothing": int(live.STALLED_SECONDS),
    "seconds between two pings": int(PING_SECONDS),
    "seconds for the answer to a ping": int(PONG_SECONDS),
    "seconds between two comments of an event stream": int(SILENT_SECONDS),
    "seconds to renew an expired token": live.RENEWAL_SECONDS,
    "sockets and event streams of a process": SOCKETS.in_all,
    "sockets of a network without a token": SOCKETS.unauthenticated,
    "sockets of a user on a lobby": SOCKETS.of_user,
    "spectators of a lobby": SOCKETS.spectators,
    "events that a client may have missed": live.REPLAYED_EVENTS,
    "seconds that a client may have been away": live.REPLAYED_SECONDS,
    "milliseconds taken off an answer for the network": LAG_PER_QUESTION,
    "milliseconds taken off a game for the network": LAG_PER_GAME,
    "bytes of an imported file": limits.LARGEST_FILE,
    "rows of an imported file": limits.MAXIMUM_ROWS,
}

COMPUTED = {
    "`L2P_SIGN_UPS_PER_NETWORK`": (
        f"{SIGN_UPS['production']} an hour in production, {SIGN_UPS['development']:,} in development"
    ),
    "`L2P_TRUSTED_PROXIES`": "none",
    "`REDIS_URL`": "none: PostgreSQL carries the notices between processes",
}
"""The settings without a fixed default."""


def test_the_page_lists_every_route() -> None:
    assert set(read_table("l2p", "route")) == read_routes("l2p")


def test_the_page_has_the_settings_with_their_defaults() -> None:
    defaults = read_settings(Settings)
    assert {name for name, default in defaults.items() if default is None} == set(COMPUTED)
    assert read_table("l2p", "setting") == defaults | COMPUTED


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    expected = LIMITS | {"characters of a search, at most": longest_search()}
    assert read_table("l2p", "limit") == {name: str(value) for name, value in expected.items()}
