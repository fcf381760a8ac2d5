"""HEAD for every route of GET, as RFC 9110 §9.1 demands: the same answer without its content.

FastAPI's routes, unlike Starlette's, accept only the methods that they name.
"""

import re
from collections.abc import Collection
from functools import cache

from starlette.applications import Starlette
from starlette.routing import Match, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """Answers HEAD as the application answers GET, where no route of its own accepts HEAD.

    Paths of `get_only`, as routes write them, are left out: their GET takes a step of a process, which a scanner of links
    must not take, or has no end.
    """

    def __init__(self, app: ASGIApp, *, owner: Starlette, get_only: Collection[str]) -> None:
        self._app = app
        self._owner = owner
        self._get_only = get_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server writes the answer by the scope's method, and the log and the metrics read it too.
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
    """Whether this method is answered at the request's path: by a route of its own, or HEAD as GET."""
    if is_routed(app, scope, method=method):
        return True
    if method != "HEAD" or any(_compile(path).fullmatch(scope["path"]) for path in get_only):
        return False
    return is_routed(app, scope, method="GET")


@cache
def _compile(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]


def is_routed(app: Starlette, scope: Scope, *, method: str) -> bool:
    """Whether a route of the application accepts this method at the request's path."""
    asked = {**scope, "method": method}
    return any(route.matches(asked)[0] is Match.FULL for route in app.routes)
