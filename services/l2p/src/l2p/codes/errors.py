"""Why a lobby code is not looked up."""

from webcommon.api.problems import TooManyRequests


class TooManyCodeGuesses(TooManyRequests):
    """429: guesses are limited, since codes are short."""

    title = "Too many wrong lobby codes"
    slug = "too-many-code-guesses"

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("Try again after the seconds in Retry-After.", retry_after=retry_after)
