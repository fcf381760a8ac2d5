"""The codes with which the server closes sockets, and ends event streams."""

from typing import TypeVar

FirstError = TypeVar("FirstError", bound=BaseException)

NOT_UTF_8 = 1007
TOO_LARGE = 1009
RESTART = 1012
TOO_SLOW = TRY_LATER = 1013
"""The client does not read, or the database does not answer, or there is no room: come back later."""
INVALID_TOKEN = 4401
NOT_ALLOWED = 4403
TOO_MANY_MESSAGES = 4408
REPLACED = 4409
"""The user opened more sockets on the lobby than one may have; this was the oldest."""
LOBBY_CLOSED = 4410


class Closed(Exception):
    """The socket or stream is to be closed with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


def first_of(group: "BaseExceptionGroup[FirstError]") -> FirstError:
    """One of the errors of a group."""
    for error in group.exceptions:
        return first_of(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an empty group")
