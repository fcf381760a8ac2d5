"""Why a socket or an event stream is refused before it begins."""

from webcommon.api.problems import ServiceUnavailable, TooManyRequests


class TooManySockets(ServiceUnavailable):
    """503: this process serves as many sockets and event streams as it may."""

    title = "This process has no room for another socket"
    slug = "too-many-sockets"

    def __init__(self) -> None:
        super().__init__("Try again in a moment; another process may have room.")


class TooManyUnauthenticated(TooManyRequests):
    """429: too many sockets of this network have not sent their token yet."""

    title = "Too many sockets without a token"
    slug = "too-many-unauthenticated"

    def __init__(self) -> None:
        super().__init__("Send the token of each socket as its first message.", retry_after=5)


class TooManySpectators(TooManyRequests):
    """429: the lobby has as many spectators as it may have. A socket is closed with 1013 instead."""

    title = "The lobby has too many spectators"
    slug = "too-many-spectators"

    def __init__(self) -> None:
        super().__init__("Join the lobby, or try again later.", retry_after=30)
