"""Why a call on a game is refused."""

from webcommon.api.problems import Conflict, InvalidRequest, NotFound


class GameNotFound(NotFound):
    """404: for a game that does not exist, and for one that the caller may not see."""

    title = "There is no such game"

    def __init__(self) -> None:
        super().__init__("No game that you may see has this id. Join its lobby first.")


class PlayersNotReady(Conflict):
    """409: a player is not ready."""

    title = "Not all players are ready"
    slug = "players-not-ready"

    def __init__(self, *, number: int) -> None:
        super().__init__(f"{number} of the players are not ready. Wait for them, or send force: true.")


class NoPlayers(Conflict):
    """409: the lobby has no players."""

    title = "The lobby has no players"
    slug = "no-players"

    def __init__(self) -> None:
        super().__init__("Wait until somebody has joined.")


class NoQuestions(InvalidRequest):
    """422: neither questions nor a question set, or both."""

    title = "A game needs one source of questions"
    slug = "no-questions"

    def __init__(self) -> None:
        super().__init__("send either questions or question_set_id", pointer="#/questions")
