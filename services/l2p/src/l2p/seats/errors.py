"""Why a guest is not let in."""

from webcommon.api.problems import Conflict


class NicknameTaken(Conflict):
    """409: somebody in the lobby has this name, or one that looks like it."""

    title = "The nickname is taken"
    slug = "nickname-taken"

    def __init__(self) -> None:
        super().__init__("Choose another nickname. Whoever has it comes back with their token.")
