"""Every error of every service is a problem document (RFC 9457).

A refusal is an exception that derives from `Problem`; raised anywhere under a route, it is the answer. Any other
exception is answered as one too, without its cause.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from webcommon.observability.context import request_id

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal with a stable type. A subclass sets `status`, `title` and `slug`; `detail` says what to do next."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"
    slug: ClassVar[str] = "internal-error"

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


class Unauthorized(Problem):
    """401: no valid token."""

    status = 401
    title = "A valid access token is needed"
    slug = "unauthorized"

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer", **(headers or {})}, **members)


class Forbidden(Problem):
    """403: the caller may not do this."""

    status = 403
    title = "You may not do this"
    slug = "forbidden"


class NotFound(Problem):
    """404: the resource does not exist, or the caller may not see it."""

    status = 404
    title = "There is no such resource"
    slug = "not-found"


class Conflict(Problem):
    """409: the resource's current state does not allow this."""

    status = 409
    title = "The resource's state does not allow this"
    slug = "conflict"


class InvalidRequest(Problem):
    """422: the content is invalid. `errors` point at the fields."""

    status = 422
    title = "The request is not valid"
    slug = "invalid-request"

    def __init__(self, detail: str, *, pointer: str = "#", **members: Any) -> None:
        super().__init__(detail, errors=[{"pointer": pointer, "detail": detail}], **members)


class ContentTooLarge(Problem):
    """413: the body exceeds the route's limit."""

    status = 413
    title = "The body is too large"
    slug = "content-too-large"


class UnsupportedMediaType(Problem):
    """415: the route does not read bodies of this type."""

    status = 415
    title = "The body is of another media type"
    slug = "unsupported-media-type"


class TooManyRequests(Problem):
    """429: too many requests; `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"
    slug = "too-many-requests"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


class ServiceUnavailable(Problem):
    """503: a dependency of the service is unavailable; `retry_after` is in seconds."""

    status = 503
    title = "The service is temporarily unavailable"
    slug = "unavailable"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class FieldError(BaseModel):
    """A field that was refused: an RFC 6901 pointer into the body, or `#query/…`, `#path/…`, `#header/…`."""

    pointer: str = Field(examples=["#/items/0/quantity"])
    detail: str


class ProblemDocument(BaseModel):
    """An error as RFC 9457 writes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        examples=["/problems/not-found"], description="A stable URI reference; tell errors apart by it."
    )
    title: str
    status: int
    detail: str | None = None
    instance: str | None = Field(default=None, description="The path that was asked for.")
    request_id: str | None = None
    errors: list[FieldError] | None = Field(
        default=None, description="With 422: the fields that were refused."
    )


def problem_responses(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: the problems that it may answer, for OpenAPI."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = responses.setdefault(problem.status, _describe_response(HTTPStatus(problem.status).phrase))
        entry["content"][MEDIA_TYPE]["examples"][problem.slug] = {"value": _example(problem)}
    return responses


def _describe_response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}


def _example(problem: type[Problem]) -> dict[str, Any]:
    return {"type": f"/problems/{problem.slug}", "title": problem.title, "status": problem.status}


COMMON_PROBLEMS: dict[int | str, dict[str, Any]] = problem_responses(
    InvalidRequest, ServiceUnavailable, Problem
)
"""The problems of every route."""


class ProblemResponse(JSONResponse):
    """A response with a problem document. Half of a surrogate pair, which a name in the body may contain, becomes a
    question mark."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """The document as JSON."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def problem_document(problem: Problem, *, path: str | None) -> dict[str, Any]:
    """The document of a problem; `path` is None where no path could be read."""
    document = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or problem.title,
        # Not request.url: some Host headers that a client may send make it fail.
        "instance": None if path is None else quote(path, errors="replace"),
        "request_id": request_id.get(),
        **problem.members,
    }
    return {name: value for name, value in document.items() if value is not None}


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """The document of `problem` as a response."""
    body = problem_document(problem, path=request.scope["path"])
    return ProblemResponse(body, status_code=problem.status, headers=problem.headers)


class BadRequest(Problem):
    """400: the body does not match its Content-Type."""

    status = 400
    title = "The request cannot be read"
    slug = "bad-request"


class MethodNotAllowed(Problem):
    """405: the path does not accept this method."""

    status = 405
    title = "The path does not take this method"
    slug = "method-not-allowed"


class DatabaseUnreachable(ServiceUnavailable):
    """503: the database cannot be reached."""

    title = "The database cannot be reached"
    slug = "database-unavailable"


class PoolBusy(ServiceUnavailable):
    """503: no connection came free within the time that a request waits."""

    title = "Every database connection is busy"
    slug = "pool-exhausted"


class StatementTimedOut(ServiceUnavailable):
    """503: the database ended a statement at its time limit; nothing of it was kept."""

    title = "A statement timed out"
    slug = "statement-timed-out"
