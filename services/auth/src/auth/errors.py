"""The refusals that several features have in common; the others stand beside their feature."""

from webcommon.api.problems import Conflict, Forbidden, Unauthorized


class EmailTaken(Conflict):
    """409: told only with `AUTH_REVEAL_TAKEN_EMAIL`."""

    title = "The e-mail address is taken"
    slug = "email-taken"

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address; sign in, or reset its password.")


class LoginFailed(Unauthorized):
    """401: one answer for an unknown account, a wrong password and a disabled account."""

    title = "The login or the password is wrong"
    slug = "login-failed"

    def __init__(self) -> None:
        super().__init__("Check both, and sign in again.")


class LastSignInMethod(Conflict):
    """409: without this method nobody could sign in to the account."""

    title = "This is the last sign-in method of the account"
    slug = "last-sign-in-method"

    def __init__(self) -> None:
        super().__init__(
            "Add another one first. POST /v1/auth/password/forgot mails a link that sets a password."
        )


class SessionEnded(Unauthorized):
    """401: the access token is genuine, but its session has ended, or its account is disabled or deleted."""

    title = "The session has ended"
    slug = "session-ended"

    def __init__(self) -> None:
        super().__init__("Sign in again.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class EmailNotVerified(Forbidden):
    """403: the credentials are right, and `AUTH_REQUIRE_VERIFIED_EMAIL` wants the address confirmed first."""

    title = "The e-mail address is not confirmed"
    slug = "email-not-verified"

    def __init__(self) -> None:
        super().__init__("Use the link that was mailed to it, or ask for a new one.")


class ReauthenticationRequired(Forbidden):
    """403: this change needs a sign-in less than ten minutes old."""

    title = "A recent sign-in is needed"
    slug = "reauthentication-required"

    def __init__(self) -> None:
        super().__init__("Sign in again, and repeat the request within ten minutes.")


class PasswordWrong(Forbidden):
    """403: the caller is signed in, but the current password that they gave is wrong."""

    title = "The password is wrong"
    slug = "password-wrong"

    def __init__(self) -> None:
        super().__init__("Give the account's current password.")
