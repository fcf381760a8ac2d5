"""Every error of every service as a problem document (RFC 9457).

A refusal is an exception that derives from `Problem`; raising it anywhere under a route answers it. Whatever is not a
`Problem` is answered as one too, without a word of what went wrong inside.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dbcommon.errors import DatabaseBusy, DatabaseError, PoolExhausted
from webcommon.context import request_id
from webcommon.head import takes
from webcommon.pointers import point_at

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


class Problem(Exception):
    """A refusal with a stable type. A subclass names `status`, `title`, `slug`; `detail` says what to do next."""

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
    """401: no token, or one that is not accepted."""

    status = 401
    title = "A valid access token is needed"
    slug = "unauthorized"

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer", **(headers or {})}, **members)


class Forbidden(Problem):
    """403: the caller is known and may not do this."""

    status = 403
    title = "You may not do this"
    slug = "forbidden"


class NotFound(Problem):
    """404: there is no such thing, or it is not the caller's to see."""

    status = 404
    title = "There is no such resource"
    slug = "not-found"


class Conflict(Problem):
    """409: the state of the resource does not allow this now."""

    status = 409
    title = "The resource's state does not allow this"
    slug = "conflict"


class InvalidRequest(Problem):
    """422: understood, and refused for its content. `errors` point at the fields."""

    status = 422
    title = "The request is not valid"
    slug = "invalid-request"

    def __init__(self, detail: str, *, pointer: str = "#", **members: Any) -> None:
        super().__init__(detail, errors=[{"pointer": pointer, "detail": detail}], **members)


class ContentTooLarge(Problem):
    """413: the body is over the route's limit."""

    status = 413
    title = "The body is too large"
    slug = "content-too-large"


class UnsupportedMediaType(Problem):
    """415: the body is of a type that the route does not read."""

    status = 415
    title = "The body is of another media type"
    slug = "unsupported-media-type"


class TooManyRequests(Problem):
    """429: the caller is limited; `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"
    slug = "too-many-requests"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


class ServiceUnavailable(Problem):
    """503: something this service stands on is away; `retry_after` is in seconds."""

    status = 503
    title = "The service is unavailable for the moment"
    slug = "unavailable"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class FieldError(BaseModel):
    """One field that was refused: an RFC 6901 pointer into the body, or `#query/…`, `#path/…`, `#header/…`."""

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
    """For a route's `responses=`: the problems that it may answer, so that OpenAPI says so."""
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
"""What any route may answer."""


class ProblemResponse(JSONResponse):
    """A problem document. Half of a surrogate pair, which a name in the body may hold, is written as a question mark."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """The document as JSON."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def problem_document(problem: Problem, *, path: str | None) -> dict[str, Any]:
    """`problem` as RFC 9457 writes it; `path` is None where no path could be read."""
    document = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail or problem.title,
        # Not request.url, which cannot be built from every Host that a client may send.
        "instance": None if path is None else quote(path, errors="replace"),
        "request_id": request_id.get(),
        **problem.members,
    }
    return {name: value for name, value in document.items() if value is not None}


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """The document of `problem` as a response."""
    body = problem_document(problem, path=request.scope["path"])
    return ProblemResponse(body, status_code=problem.status, headers=problem.headers)


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """Handler of `Problem`."""
    if not isinstance(error, Problem):
        raise error
    return problem_response(request, error)


async def answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Handler of a request that does not fit its schema. The input, which may be a password, is not echoed."""
    if not isinstance(error, RequestValidationError):
        raise error
    if error.body and isinstance(error.body, bytes):
        # FastAPI reads JSON only when the Content-Type says so, and else leaves the bytes as they are.
        detail = "Send JSON, with Content-Type: application/json."
        return problem_response(request, UnsupportedMediaType(detail))
    errors = [
        {"pointer": point_at(entry, body=error.body), "detail": _detail(entry)}
        for entry in error.errors()[:_MAXIMUM_ERRORS]
    ]
    problem = _WithErrors("One or more fields were refused; see errors.", errors=errors)
    return problem_response(request, problem)


_MAXIMUM_ERRORS = 50
"""A body of a thousand wrong fields is told the first ones."""


class _WithErrors(Problem):
    status = InvalidRequest.status
    title = InvalidRequest.title
    slug = InvalidRequest.slug


_LENGTHS = {"too_long": ("at most", "max_length"), "too_short": ("at least", "min_length")}


def _detail(entry: Mapping[str, Any]) -> str:
    if entry["type"] == "json_invalid":
        return f"not JSON: {entry['ctx']['error']}"
    if entry["type"] == "extra_forbidden":
        return "unknown field"
    if entry["type"] == "union_tag_invalid":
        return f"the tag {entry['ctx']['discriminator']} is none of {entry['ctx']['expected_tags']}"
    if entry["type"] in _LENGTHS and isinstance(entry["input"], str):
        # Of a text that is kept as something else, a secret for one, pydantic counts "items".
        word, name = _LENGTHS[entry["type"]]
        length = entry["ctx"][name]
        return f"String should have {word} {length} character{'' if length == 1 else 's'}"
    message: str = entry["msg"]
    return message.removeprefix("Value error, ")


class BadRequest(Problem):
    """400: the body is not what its Content-Type says."""

    status = 400
    title = "The request cannot be read"
    slug = "bad-request"


class MethodNotAllowed(Problem):
    """405: the path does not take this method."""

    status = 405
    title = "The path does not take this method"
    slug = "method-not-allowed"


_FRAMEWORK_PROBLEMS = {
    problem.status: problem
    for problem in (BadRequest, NotFound, MethodNotAllowed, Conflict, ContentTooLarge, UnsupportedMediaType)
}


@cache
def problem_class(status: int) -> type[Problem]:
    """The problem of a plain HTTP status, for errors that the framework answers by itself."""
    if status in _FRAMEWORK_PROBLEMS:
        return _FRAMEWORK_PROBLEMS[status]
    phrase = HTTPStatus(status).phrase
    slug = re.sub("[^a-z0-9]+", "-", phrase.lower())
    # A number: logs would spell an HTTPStatus out.
    members = {"status": int(status), "title": phrase.capitalize(), "slug": slug}
    return type(f"Http{status}", (Problem,), members)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of what the framework refuses: unknown path, method, an unreadable body."""
    if not isinstance(error, HTTPException):
        raise error
    headers = error.headers
    # Nothing is found below a mount, whose application has named its own.
    if error.status_code == MethodNotAllowed.status and (methods := _list_methods(request)):
        headers = {"Allow": ", ".join(methods)}
    return problem_response(request, problem_class(error.status_code)(headers=headers))


def _list_methods(request: Request) -> Sequence[str]:
    """The methods that the path of a request takes, of all routes; the framework names those of the first one only."""
    get_only = getattr(request.app, "get_only", ())
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        if takes(request.app, request.scope, method=method, get_only=get_only)
    ]


async def answer_database_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of a database that cannot serve: 503 with `Retry-After`."""
    if not isinstance(error, DatabaseError):
        raise error
    logger.warning("%s: %s", type(error).__name__, error)
    problem = _database_problem(error)
    problem.headers["Retry-After"] = str(error.retry_after)
    return problem_response(request, problem)


class DatabaseAway(ServiceUnavailable):
    """503: the database cannot be reached."""

    title = "The database cannot be reached"
    slug = "database-unavailable"


class PoolBusy(ServiceUnavailable):
    """503: every connection was busy for as long as a request waits."""

    title = "Every database connection is busy"
    slug = "pool-exhausted"


class DatabaseGaveUp(ServiceUnavailable):
    """503: the database ended the statement; nothing of it was kept."""

    title = "The database gave up on the request"
    slug = "database-busy"


def _database_problem(error: DatabaseError) -> Problem:
    if isinstance(error, PoolExhausted):
        return PoolBusy("Nothing was changed. Try again after the seconds that Retry-After gives.")
    if isinstance(error, DatabaseBusy):
        return DatabaseGaveUp("Nothing was changed. Try again after the seconds that Retry-After gives.")
    return DatabaseAway("Try again after the seconds that Retry-After gives.")


_BAD_TEXT = ("22021", "22P05")
"""SQLSTATEs of text that PostgreSQL cannot store: a NUL character, plain or inside JSON."""


async def answer_driver_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of what a statement refused: text that cannot be stored is the caller's, all else is ours."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _BAD_TEXT:
        return problem_response(request, InvalidRequest("a text holds a NUL character; remove it"))
    return await answer_unexpected(request, error)


async def answer_disconnect(request: Request, _error: Exception) -> JSONResponse:
    """Handler of a caller who left in the middle of the body; nobody reads the answer, and nothing went wrong here."""
    return problem_response(request, BadRequest("The connection ended before the body did."))


async def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Handler of everything else: 500 without a word of the cause, which the log has with the request id."""
    logger.error("unhandled error", exc_info=error)
    return problem_response(request, Problem("The error was logged under this request_id."))


_HANDLERS: dict[type[Exception], Handler] = {
    Problem: answer_problem,
    RequestValidationError: answer_invalid_request,
    HTTPException: answer_http_error,
    ClientDisconnect: answer_disconnect,
    DatabaseError: answer_database_error,
    DBAPIError: answer_driver_error,
    Exception: answer_unexpected,
}


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of `app` as a problem document."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """The problem document of any error, by the handler of its nearest class."""
    handler = next(_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS)
    return await handler(request, error)
