"""Why a game is not finished now."""

from webcommon.api.problems import ServiceUnavailable


class RatingsBusy(ServiceUnavailable):
    """503: other games changed the players' ratings each time that those of this game were calculated."""

    title = "The ratings of the players change too fast"
    slug = "ratings-busy"

    def __init__(self) -> None:
        super().__init__("The game is as it was. Send it again in a moment.")
