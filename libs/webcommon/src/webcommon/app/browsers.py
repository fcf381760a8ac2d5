"""Which browsers may call: those that show a page of a registered origin (CORS, the Fetch standard)."""

from collections.abc import Collection

from fastapi import Request
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcommon.api.problems import BadRequest, problem_response

_VARY = (b"vary", b"Origin")


class PreflightRefused(BadRequest):
    """400: a browser asked whether a page may send a request, and it may not."""

    title = "A page of this origin may not send this request"
    slug = "preflight-refused"


class RegisteredOrigins(CORSMiddleware):
    """The framework's CORS, whose refusals are problem documents as everybody else's are."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks before it sends."""
        response = super().preflight_response(request_headers)
        return response if response.status_code == 200 else _Refusal(response)

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        """The application's answer. Where no page asks, as services and tools do not, it only says that a page would have
        got other headers; that takes none of the framework's work."""
        if "origin" in request_headers:
            await super().simple_response(scope, receive, send, request_headers)
            return

        async def send_varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _VARY]
            await send(message)

        await self.app(scope, receive, send_varying)


class _Refusal(Response):
    """A refused preflight, written when it is sent: a problem document names the path, which is known only then."""

    def __init__(self, refused: Response) -> None:
        super().__init__(refused.body, status_code=refused.status_code)
        # The length and the type are those of the text that the document replaces.
        replaced = ("content-length", "content-type")
        self._kept_headers = {name: value for name, value in refused.headers.items() if name not in replaced}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reasons = bytes(self.body).decode().removeprefix("Disallowed CORS ")
        detail = f"Not allowed: {reasons}. An operator registers the origins whose pages may call."
        response = problem_response(Request(scope), PreflightRefused(detail, headers=self._kept_headers))
        await response(scope, receive, send)


def allow_origins(app: ASGIApp, origins: Collection[str]) -> RegisteredOrigins:
    """`app` for browsers too, those that show a page of one of `origins`; they may send credentials.

    Around the handler of unexpected errors as well: a browser shows no answer, not even a 500, without these headers.
    """
    return RegisteredOrigins(
        app,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-ID"],
        expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID", "Idempotent-Replayed"],
    )
