"""Who may ask: one browser of this machine, which exchanged the printed token for a cookie."""

import hmac
import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing comes from, or goes to, anywhere else."""

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: forms would then send `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_ENTERED = '<!DOCTYPE html><link rel="icon" href="data:,"><title>quartet studio</title><meta http-equiv="refresh" content="0; url=/">'
"""A page that goes on, no redirect: a browser that came by a link of another site would not send a strict cookie."""


class Gate:
    """Refuses requests by another host name (DNS rebinding), without the cookie, or that change something while only reading
    is allowed or from another origin (CSRF)."""

    def __init__(self, app: ASGIApp, *, token: str, port: int, writes: bool) -> None:
        self._app = app
        self._token: str | None = token
        # Cookies do not tell ports apart.
        self._cookie = f"quartet_studio_{port}"
        self._session = secrets.token_urlsafe(32)
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it. The server sends no other kinds of events."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if "/static/" not in scope["path"]:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        answer = self._answer(Request(scope))
        await (answer or self._app)(scope, receive, send_with_headers)

    def _answer(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not _LOOPBACK.fullmatch(host):
            return PlainTextResponse("Open it as 127.0.0.1 or localhost.", 421)
        if request.method == "GET" and request.scope["path"] == "/" and "token" in request.query_params:
            return self._enter(request.query_params["token"])
        if not _is_same(request.cookies.get(self._cookie), self._session):
            return PlainTextResponse(
                "Open the URL that `quartet studio` printed. It works once: for another browser start it again.",
                401,
            )
        if request.method not in {"GET", "HEAD"}:
            return self._refuse_change(request, host)
        return None

    def _enter(self, token: str) -> Response:
        if not _is_same(token, self._token):
            return PlainTextResponse(
                "This token is wrong or was used: `quartet studio` prints a new one when it is started again.",
                401,
            )
        self._token = None
        answer = HTMLResponse(_ENTERED)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return answer

    def _refuse_change(self, request: Request, host: str) -> Response | None:
        if not self._writes:
            return PlainTextResponse("It shows rows only: `quartet studio --write` changes them.", 403)
        # A page of another port is of the same site, so that its requests carry the cookies.
        if request.headers.get("origin") != f"http://{host}":
            return PlainTextResponse("Only the studio's own pages may change rows.", 403)
        return None


def _is_same(given: str | None, expected: str | None) -> bool:
    if given is None or expected is None:
        return False
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
