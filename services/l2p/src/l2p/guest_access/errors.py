"""Why a guest is refused."""

from webcommon.api.problems import Forbidden


class GuestNotAllowed(Forbidden):
    """403: a guest's token is good for one lobby only."""

    title = "Guests may use their own lobby only"
    slug = "guest-not-allowed"

    def __init__(self) -> None:
        super().__init__("Register an account, or sign in.")
