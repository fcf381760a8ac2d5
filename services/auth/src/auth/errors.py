"""What Auth refuses.

Problem
├── Conflict
│   ├── UsernameTaken
│   ├── SecondFactorEnabled
│   ├── NoSecondFactor
│   ├── PasskeyKnown
│   ├── TooManyPasskeys
│   ├── NoPassword            the account is entered in other ways alone
│   ├── LastSignInMethod             what is to be removed is all that the account is entered by
│   └── EmailTaken            only with AUTH_REVEAL_TAKEN_EMAIL
├── Unauthorized
│   ├── LoginFailed           unknown, wrong, disabled: one answer
│   ├── SecondFactorFailed    wrong, too old, used: one answer
│   ├── LoginExpired          the sign-in that waited for a code is over
│   ├── PasskeyRefused        unknown, removed, not verified, disabled: one answer
│   ├── SessionEnded          the access token's session or account is no more
│   └── RefreshTokenRefused
├── InvalidState            no sign-in was begun in this browser
├── InvalidCode          used, expired, unknown, another verifier: one answer
├── InvalidLink               used, expired, replaced, unknown: one answer
├── Forbidden
│   ├── ReauthenticationRequired
│   ├── IncorrectCode             the code that is to confirm an app
│   ├── PasswordWrong         the current password, asked for once more
│   ├── CannotModifySelf            an administrator may not do that to themselves
│   ├── OriginRefused         a cookie was sent from a page that may not use it
│   └── EmailNotVerified      only with AUTH_REQUIRE_VERIFIED_EMAIL
├── NotFound
│   └── GoogleNotConfigured
└── ServiceUnavailable
    └── KeysNotReady
"""

from webcommon.api.problems import Conflict, Forbidden, NotFound, Problem, ServiceUnavailable, Unauthorized

_HOW_TO_GET_A_PASSWORD = "POST /v1/auth/password/forgot mails a link that sets one"  # noqa: S105 - says how


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


class SecondFactorFailed(Unauthorized):
    """401: the same for a wrong code, one that is too old and one that was used. The sign-in goes on waiting."""

    title = "The code is wrong"
    slug = "second-factor-failed"

    def __init__(self) -> None:
        super().__init__("Give the code that the app shows now, or a recovery code that was not used yet.")


class LoginExpired(Unauthorized):
    """401: the sign-in that waited for a code was finished, took too long, or was voided; or there never was one."""

    title = "The sign-in is over"
    slug = "login-expired"

    def __init__(self) -> None:
        super().__init__("Begin again.")


class PasskeyRefused(Unauthorized):
    """401: the same for an unknown or removed passkey, a proof that does not hold, and a disabled account."""

    title = "The passkey was not accepted"
    slug = "passkey-refused"

    def __init__(self) -> None:
        super().__init__("Try again, or sign in another way.")


class SecondFactorEnabled(Conflict):
    """409: an app is confirmed already."""

    title = "There is an authenticator app already"
    slug = "second-factor-enabled"

    def __init__(self) -> None:
        super().__init__("Remove it before you set up another one.")


class NoSecondFactor(Conflict):
    """409: there is no app that this could be about."""

    title = "There is no authenticator app"
    slug = "no-second-factor"

    def __init__(self) -> None:
        super().__init__("Set one up first.")


class PasskeyKnown(Conflict):
    """409: the passkey is registered already."""

    title = "The passkey is registered already"
    slug = "passkey-known"

    def __init__(self) -> None:
        super().__init__("Use it to sign in, or make another one.")


class TooManyPasskeys(Conflict):
    """409: an account has a bounded number of passkeys."""

    title = "The account has too many passkeys"
    slug = "too-many-passkeys"

    def __init__(self) -> None:
        super().__init__("Remove one that you no longer use.")


class NoPassword(Conflict):
    """409: the account has no password that could be proven or changed. Only its owner is told."""

    title = "The account has no password"
    slug = "no-password"

    def __init__(self) -> None:
        super().__init__(f"To delete the account, leave it out. To get one: {_HOW_TO_GET_A_PASSWORD}.")


class LastSignInMethod(Conflict):
    """409: without what is to be removed, nobody could sign in to the account."""

    title = "This is the only way into the account"
    slug = "last-sign-in-method"

    def __init__(self) -> None:
        super().__init__(f"Add another way to sign in first, or a password: {_HOW_TO_GET_A_PASSWORD}.")


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


class InvalidLink(Problem):
    """410: the token of a link was used, has expired, was replaced by a newer one, or is unknown."""

    status = 410
    title = "The link is not valid"
    slug = "invalid-link"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or was replaced by a newer one. Ask for another link.")


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


class IncorrectCode(Forbidden):
    """403: the caller is signed in, but the code is not one of the app that is to be confirmed."""

    title = "The code is wrong"
    slug = "incorrect-code"

    def __init__(self) -> None:
        super().__init__("Give the code that the app shows now; check the clock of its device.")


class OriginRefused(Forbidden):
    """403: the page that calls may not use the cookie of a session, or the call does not say which page it is."""

    title = "This page may not use the cookie"
    slug = "origin-refused"

    def __init__(self) -> None:
        super().__init__(
            "Call from a page of this service or of AUTH_CORS_ORIGINS; browsers send its Origin."
        )


class PasswordWrong(Forbidden):
    """403: the caller is signed in, but the password given once more is not theirs."""

    title = "The password is wrong"
    slug = "password-wrong"

    def __init__(self) -> None:
        super().__init__("Give the account's current password.")


class CannotModifySelf(Forbidden):
    """403: an administrator cannot disable their own account, nor take its second factor away."""

    title = "This is your own account"
    slug = "cannot-modify-self"

    def __init__(self) -> None:
        super().__init__("Let another administrator do it.")


class InvalidState(Problem):
    """400: a return from the provider that nothing in this browser led to; it might be somebody else's sign-in."""

    status = 400
    title = "This sign-in was not begun here"
    slug = "invalid-state"

    def __init__(self) -> None:
        super().__init__("Go back to where you came from and sign in again, in this browser, with cookies.")


class InvalidCode(Problem):
    """410: the code of a sign-in was used, has expired, is not for this verifier, or never was."""

    status = 410
    title = "The code is no longer good"
    slug = "invalid-code"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or does not go with this verifier. Sign in again.")


class GoogleNotConfigured(NotFound):
    """404: the operator has set no client."""

    title = "Nobody signs in with Google here"
    slug = "google-not-configured"

    def __init__(self) -> None:
        super().__init__("The operator turns it on by GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET.")
