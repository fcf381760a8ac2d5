"""Why registering or signing in is refused."""

from webcommon.api.problems import Conflict, Unauthorized


class UsernameTaken(Conflict):
    """409. Usernames are public, so this reveals nothing."""

    title = "The username is taken"
    slug = "username-taken"

    def __init__(self) -> None:
        super().__init__("Choose another username. Upper and lower case are the same.")


class EmailTaken(Conflict):
    """409, only with `L2P_REVEAL_TAKEN_EMAIL`."""

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
