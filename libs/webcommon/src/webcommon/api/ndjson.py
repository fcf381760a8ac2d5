"""Bodies of JSON values, one a line (`application/x-ndjson`), of any length, read as they arrive."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import Scope

from webcommon.api.problems import Problem, UnsupportedMediaType

MEDIA_TYPE = "application/x-ndjson"

NO_LIMIT = sys.maxsize
"""A route's `max_body_size` where only its lines are limited."""


class RequestTimeout(Problem):
    """408: the rest of the body did not come."""

    status = 408
    title = "The rest of the request did not come"
    slug = "request-timeout"


class NdjsonRoute(APIRoute):
    """A route for this media type alone. Others go to the next route with its method and path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route serves the request."""
        return super().matches(scope) if is_ndjson(scope) else (Match.NONE, {})


def is_ndjson(scope: Scope) -> bool:
    """Whether the request says that its body is of this media type."""
    if scope["type"] != "http":
        return False
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0]
    return kind.strip().lower() == MEDIA_TYPE


def describe_body(schema: dict[str, Any], *, example: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this media type; `schema` is that of a line."""
    media = {"schema": schema, "examples": {"lines": {"value": example}}}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: media}}}


async def read_lines(
    request: Request, *, longest: int, silent_seconds: float
) -> AsyncIterator[list[bytes | None]]:
    """The lines of the body as they arrive; None is one of more than `longest` bytes, which is not kept.

    Raises `UnsupportedMediaType` for an encoded body, `RequestTimeout` after `silent_seconds` without a byte, and Starlette's
    `ClientDisconnect`.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the lines without a Content-Encoding.")
    held, size = bytearray(), 0
    stream = request.stream()
    while (part := await _next(stream, silent_seconds)) is not None:
        *ended, last = part.split(b"\n")
        lines: list[bytes | None] = []
        for end in ended:
            lines.append(bytes(held + end) if size + len(end) <= longest else None)
            held, size = bytearray(), 0
        size += len(last)
        if size <= longest:
            held += last
        else:
            held = bytearray()
        yield lines
    if size:
        yield [bytes(held) if size <= longest else None]


async def _next(stream: AsyncIterator[bytes], seconds: float) -> bytes | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(stream, None)
    except TimeoutError:
        raise RequestTimeout(
            f"Nothing came for {seconds:g} seconds.", headers={"Connection": "close"}
        ) from None
