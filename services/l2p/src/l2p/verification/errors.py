"""Why a verification is refused."""

from webcommon.api.problems import Conflict


class GameNotOver(Conflict):
    """409: the game still runs."""

    title = "The game is not over"
    slug = "game-not-over"

    def __init__(self) -> None:
        super().__init__("Wait until it is finished or aborted.")
