"""Why a call on leaderboards is refused."""

from webcommon.api.problems import InvalidRequest


class RatingHasNoPeriod(InvalidRequest):
    """422: a rating is not gained in a period."""

    title = "Ratings have no period"
    slug = "rating-has-no-period"

    def __init__(self) -> None:
        super().__init__("by=rating is for period=all only", pointer="#query/period")
