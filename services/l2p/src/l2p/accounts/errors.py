"""Why registering or signing in is refused."""

from webcommon.api.problems import Conflict, Unauthorized


class UsernameTaken(Conflict):
    """409: usernames are public, so this may be told."""

    title = "The username is taken"
    slug = "username-taken"

    def __init__(self) -> None:
        super().__init__("Choose another username; case does not tell two of them apart.")


class EmailTaken(Conflict):
    """409: told only where the operator chose to."""

    title = "The e-mail address is taken"
    slug = "email-taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address; sign in.")


class LoginFailed(Unauthorized):
    """401: the same for an unknown account, one without a password here, and a wrong password."""

    title = "The login or the password is wrong"
    slug = "login-failed"

    def __init__(self) -> None:
        super().__init__("Check both, and sign in again.")
