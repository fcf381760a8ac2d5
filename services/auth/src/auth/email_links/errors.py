"""The refusals of links in mails."""

from webcommon.api.problems import Problem


class InvalidLink(Problem):
    """410: the token of a link was used, has expired, was replaced by a newer one, or is unknown."""

    status = 410
    title = "The link is not valid"
    slug = "invalid-link"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or was replaced by a newer one. Ask for another link.")
