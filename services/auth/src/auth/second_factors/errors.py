"""The refusals of second factors."""

from webcommon.api.problems import Conflict, Forbidden, Unauthorized


class SecondFactorFailed(Unauthorized):
    """401: one answer for a wrong, an old and a used code. The sign-in can be tried again."""

    title = "The code is wrong"
    slug = "second-factor-failed"

    def __init__(self) -> None:
        super().__init__("Give the code that the app shows now, or an unused recovery code.")


class LoginExpired(Unauthorized):
    """401: the sign-in that waited for a code is finished, expired, voided or unknown."""

    title = "The sign-in has expired"
    slug = "login-expired"

    def __init__(self) -> None:
        super().__init__("Sign in again from the start.")


class SecondFactorEnabled(Conflict):
    """409: the account has a confirmed authenticator app."""

    title = "There is an authenticator app already"
    slug = "second-factor-enabled"

    def __init__(self) -> None:
        super().__init__("Remove it before you set up another one.")


class NoSecondFactor(Conflict):
    """409: the account has no authenticator app."""

    title = "There is no authenticator app"
    slug = "no-second-factor"

    def __init__(self) -> None:
        super().__init__("Set one up first.")


class IncorrectCode(Forbidden):
    """403: the caller is signed in, but the code does not confirm the new app."""

    title = "The code is wrong"
    slug = "incorrect-code"

    def __init__(self) -> None:
        super().__init__("Give the code that the app shows now; check the clock of its device.")
