"""CORS (the Fetch standard): which pages may call the service from a browser."""

from collections.abc import Collection

from fastapi import Request
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcommon.api.problems import BadRequest, problem_response

_VARY = (b"vary", b"Origin")


class PreflightRefused(BadRequest):
    """400: a preflight asked for a request that the page may not send."""

    title = "A page of this origin may not send this request"
    slug = "preflight-refused"


class RegisteredOrigins(CORSMiddleware):
    """The framework's CORS with refusals as problem documents."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a preflight."""
        response = super().preflight_response(request_headers)
        return response if response.status_code == 200 else _Refusal(response)

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        """The application's answer. Without an `Origin` header only `Vary` is added, which avoids the framework's work."""
        if "origin" in request_headers:
            await super().simple_response(scope, receive, send, request_headers)
            return

        async def send_varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _VARY]
            await send(message)

        await self.app(scope, receive, send_varying)


class _Refusal(Response):
    """A refused preflight, written when it is sent, since the problem document names the path."""

    def __init__(self, refused: Response) -> None:
        super().__init__(refused.body, status_code=refused.status_code)
        # The length and the type are those of the replaced text.
        replaced = ("content-length", "content-type")
        self._kept_headers = {name: value for name, value in refused.headers.items() if name not in replaced}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reasons = bytes(self.body).decode().removeprefix("Disallowed CORS ")
        detail = f"Not allowed: {reasons}. An operator registers the origins whose pages may call."
        response = problem_response(Request(scope), PreflightRefused(detail, headers=self._kept_headers))
        await response(scope, receive, send)


def allow_origins(app: ASGIApp, origins: Collection[str]) -> RegisteredOrigins:
    """`app` with CORS for the pages of `origins`, which may send credentials.

    It also wraps the handler of unexpected errors: without these headers a browser shows no answer, not even a 500.
    """
    return RegisteredOrigins(
        app,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-ID"],
        expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID", "Idempotent-Replayed"],
    )
