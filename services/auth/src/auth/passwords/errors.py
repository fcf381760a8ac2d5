"""The refusals of passwords."""

from webcommon.api.problems import Conflict


class NoPassword(Conflict):
    """409: the account has no password to verify or change. Only its owner is told."""

    title = "The account has no password"
    slug = "no-password"

    def __init__(self) -> None:
        super().__init__(
            "POST /v1/auth/password/forgot mails a link that sets one. To delete the account, leave the password out."
        )
