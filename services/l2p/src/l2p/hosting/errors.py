"""Why a command on a lobby is refused."""

from webcommon.api.problems import Conflict, NotFound


class PlayerNotInLobby(NotFound):
    """404: the player has no seat in the lobby."""

    title = "There is no such player in the lobby"

    def __init__(self) -> None:
        super().__init__("No player of this lobby has this id.")


class CannotKickHost(Conflict):
    """409: the host cannot kick themselves."""

    title = "The host cannot be kicked"
    slug = "cannot-kick-host"

    def __init__(self) -> None:
        super().__init__("Leave the lobby, or hand it over first.")


class SeatsTaken(Conflict):
    """409: more players are in the lobby than it would have seats."""

    title = "More seats are taken"
    slug = "seats-taken"

    def __init__(self, *, taken: int) -> None:
        super().__init__(f"{taken} players are in the lobby; max_players cannot be less.")
