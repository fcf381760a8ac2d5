"""HEAD for every route of GET, as servers must have it (RFC 9110 §9.1): the same answer without its content.

FastAPI's routes, unlike Starlette's, take the methods that they name and no other.
"""

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Stands before an application and asks it for what a HEAD is about by GET, where no route of its own takes HEAD.

    Paths of `get_only` are left out: a GET of them is a step of something, which is not for a scanner of links to take.
    """

    def __init__(self, app: ASGIApp, *, owner: Starlette, get_only: Collection[str]) -> None:
        self._app = app
        self._owner = owner
        self._get_only = get_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server goes by the scope's method when it writes the answer, and so do the log and the metrics.
        asked = {**scope, "method": "GET" if self._is_read(scope) else "HEAD"}

        async def send_head(message: Message) -> None:
            is_content = message["type"] == "http.response.body"
            await send({**message, "body": b""} if is_content else message)

        try:
            await self._app(asked, receive, send_head)
        finally:
            scope["route"] = asked.get("route")  # which they want to know as well

    def _is_read(self, scope: Scope) -> bool:
        return not is_routed(self._owner, scope, method="HEAD") and accepts_method(
            self._owner, scope, method="HEAD", get_only=self._get_only
        )


def accepts_method(app: Starlette, scope: Scope, *, method: str, get_only: Collection[str]) -> bool:
    """Whether this method is answered at the request's path: HEAD by a route of its own, or as GET is."""
    if is_routed(app, scope, method=method):
        return True
    return method == "HEAD" and scope["path"] not in get_only and is_routed(app, scope, method="GET")


def is_routed(app: Starlette, scope: Scope, *, method: str) -> bool:
    """Whether a route of the application takes this method at the request's path."""
    asked = {**scope, "method": method}
    return any(route.matches(asked)[0] is Match.FULL for route in app.routes)
