"""The refusals of accounts."""

from webcommon.api.problems import Conflict


class UsernameTaken(Conflict):
    """409: told to anyone, since usernames are public."""

    title = "The username is taken"
    slug = "username-taken"

    def __init__(self) -> None:
        super().__init__("Choose another username. Upper and lower case count as the same.")
