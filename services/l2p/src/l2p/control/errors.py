"""Why a command on a game is refused."""

from webcommon.api.problems import Conflict


class WrongPhase(Conflict):
    """409: the command does not fit the game's `game_status`; another of the same kind may have been faster."""

    title = "The game is in another phase"
    slug = "wrong-phase"

    def __init__(self, *, status: str) -> None:
        super().__init__("Read the game's state, and send what fits its phase.", game_status=status)


class GameOver(Conflict):
    """409: the game is finished or aborted."""

    title = "The game is over"
    slug = "game-over"

    def __init__(self) -> None:
        super().__init__("Its results stay; start another game.")
