"""Why a call on players is refused."""

from webcommon.api.problems import NotFound


class PlayerNotFound(NotFound):
    """404: no player has this id."""

    title = "There is no such player"

    def __init__(self) -> None:
        super().__init__("No player has this id.")
