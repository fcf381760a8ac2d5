"""Why a call on a lobby is refused."""

from webcommon.api.problems import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServiceUnavailable,
)


class LobbyNotFound(NotFound):
    """404: for a lobby that does not exist, and for one that the caller may not see."""

    title = "There is no such lobby"

    def __init__(self) -> None:
        super().__init__("No lobby that you may see has this id or code. Join a private lobby with its code.")


class LobbyFull(Conflict):
    """409: every seat is taken."""

    title = "The lobby is full"
    slug = "lobby-full"

    def __init__(self, max_players: int) -> None:
        super().__init__(
            f"All {max_players} seats are taken; wait for one to come free, or choose another lobby."
        )


class LobbyClosed(Conflict):
    """409: all players have left it."""

    title = "The lobby is closed"
    slug = "lobby-closed"

    def __init__(self) -> None:
        super().__init__("Choose another lobby, or create one.")


class LobbyLocked(Conflict):
    """409: the host lets nobody in who is not playing."""

    title = "The lobby is locked"
    slug = "lobby-locked"

    def __init__(self) -> None:
        super().__init__("Ask the host to unlock it, or choose another lobby.")


class NoSeat(Forbidden):
    """403: only players of the lobby may do this."""

    title = "You are not in this lobby"
    slug = "no-seat"

    def __init__(self) -> None:
        super().__init__("Join the lobby first.")


class NotTheHost(Forbidden):
    """403: only the lobby's host may do this."""

    title = "You are not the host"
    slug = "not-the-host"

    def __init__(self) -> None:
        super().__init__("Ask the lobby's host to do it, or to hand over to you.")


class Banned(Forbidden):
    """403: the host put the caller out of the lobby for good."""

    title = "You are banned from this lobby"
    slug = "banned"

    def __init__(self) -> None:
        super().__init__("Ask the host to let you in again, or choose another lobby.")


class ChatOff(Conflict):
    """409: the host has turned the chat off."""

    title = "The chat is off"
    slug = "chat-off"

    def __init__(self) -> None:
        super().__init__("The host has turned it off for this lobby.")


class GameUnderWay(Conflict):
    """409: the lobby's game is running. `game_id` is that game, where the caller may know it."""

    title = "A game is under way"
    slug = "game-under-way"


class QuestionSetUnknown(InvalidRequest):
    """422: no question set that the caller may use has this id."""

    title = "There is no such question set"
    slug = "question-set-unknown"

    def __init__(self, *, pointer: str) -> None:
        super().__init__("there is no such question set; leave it out or send null", pointer=pointer)


class NoFreeCode(ServiceUnavailable):
    """503: every code that was generated belongs to an open lobby."""

    title = "No lobby code is free for the moment"
    slug = "no-free-code"
