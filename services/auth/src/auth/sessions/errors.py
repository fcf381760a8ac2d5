"""The refusals of sessions."""

from webcommon.api.problems import Forbidden, Unauthorized


class RefreshTokenRefused(Unauthorized):
    """401: not the refresh token of a live session."""

    title = "The refresh token is not valid"
    slug = "refresh-token-refused"

    def __init__(self) -> None:
        super().__init__("It was used, has expired, or its session has ended. Sign in again.")


class OriginRefused(Forbidden):
    """403: the `Origin` of the request is missing, or may not use the cookie with the refresh token."""

    title = "This page may not use the cookie"
    slug = "origin-refused"

    def __init__(self) -> None:
        super().__init__(
            "Call from a page of this service or of AUTH_CORS_ORIGINS; browsers send its Origin."
        )
