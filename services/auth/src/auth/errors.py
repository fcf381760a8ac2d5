"""What Auth refuses.

Problem
├── Conflict
│   ├── UsernameTaken
│   └── EmailTaken            only with AUTH_REVEAL_TAKEN_EMAIL
├── Unauthorized
│   ├── LoginFailed           unknown, wrong, disabled: one answer
│   ├── SessionEnded          the access token's session or account is no more
│   └── RefreshTokenRefused
├── LinkNoLongerGood          used, expired, replaced, unknown: one answer
├── Forbidden
│   ├── ReauthenticationRequired
│   ├── PasswordWrong         the current password, asked for once more
│   ├── OwnAccount            an administrator may not lock themselves out
│   └── EmailNotVerified      only with AUTH_REQUIRE_VERIFIED_EMAIL
└── ServiceUnavailable
    └── KeysNotReady
"""

from webcommon.problems import Conflict, Forbidden, Problem, ServiceUnavailable, Unauthorized


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
        super().__init__("There is an account with this e-mail address; sign in, or reset its password.")


class LoginFailed(Unauthorized):
    """401: the same for an unknown account, a wrong password and a disabled account, so that it tells nothing."""

    title = "The login or the password is wrong"
    slug = "login-failed"

    def __init__(self) -> None:
        super().__init__("Check both, and sign in again.")


class SessionEnded(Unauthorized):
    """401: the token is genuine, but its session has ended or its account is disabled or gone."""

    title = "The session has ended"
    slug = "session-ended"

    def __init__(self) -> None:
        super().__init__("Sign in again.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class RefreshTokenRefused(Unauthorized):
    """401: not a refresh token of a live session."""

    title = "The refresh token is not valid"
    slug = "refresh-token-refused"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or its session has ended. Sign in again.")


class KeysNotReady(ServiceUnavailable):
    """503: the signing keys could not be read from the database yet."""

    title = "Tokens cannot be signed for the moment"
    slug = "keys-not-ready"

    def __init__(self) -> None:
        super().__init__("The signing keys could not be read yet. Try again in a moment.")


class LinkNoLongerGood(Problem):
    """410: the token of a link was used, has expired, was replaced by a newer one, or never was."""

    status = 410
    title = "The link is no longer good"
    slug = "link-no-longer-good"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or a newer one was sent. Ask for another one.")


class EmailNotVerified(Forbidden):
    """403: the password is right, and the operator wants the address confirmed before the first session."""

    title = "The e-mail address is not confirmed"
    slug = "email-not-verified"

    def __init__(self) -> None:
        super().__init__("Use the link in the mail that was sent to it, or ask for another one.")


class ReauthenticationRequired(Forbidden):
    """403: what is asked for needs a sign-in that is not long ago."""

    title = "A recent sign-in is needed"
    slug = "reauthentication-required"

    def __init__(self) -> None:
        super().__init__("Sign in again, and repeat this within ten minutes.")


class PasswordWrong(Forbidden):
    """403: the caller is signed in, but the password given once more is not theirs."""

    title = "The password is wrong"
    slug = "password-wrong"

    def __init__(self) -> None:
        super().__init__("Give the account's current password.")


class OwnAccount(Forbidden):
    """403: an administrator cannot disable their own account."""

    title = "This is your own account"
    slug = "own-account"

    def __init__(self) -> None:
        super().__init__("Let another administrator do it.")
