"""The refusals of signing in with Google."""

from webcommon.api.problems import NotFound, Problem


class InvalidState(Problem):
    """400: a callback whose `state` this browser did not begin; it may be somebody else's sign-in."""

    status = 400
    title = "This sign-in was not started in this browser"
    slug = "invalid-state"

    def __init__(self) -> None:
        super().__init__("Go back to where you came from and sign in again, in this browser, with cookies.")


class InvalidCode(Problem):
    """410: the code is used, expired or unknown, or does not match the PKCE verifier."""

    status = 410
    title = "The code is not valid"
    slug = "invalid-code"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or does not match the verifier. Sign in again.")


class GoogleNotConfigured(NotFound):
    """404: no Google client is configured."""

    title = "Signing in with Google is not configured"
    slug = "google-not-configured"

    def __init__(self) -> None:
        super().__init__("The operator enables it with GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET.")
