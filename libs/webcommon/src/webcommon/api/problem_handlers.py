"""Handlers that turn every error into a problem document, the framework's and the database's included."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dbcommon.errors import DatabaseBusy, DatabaseError, PoolExhausted
from webcommon.api.head import accepts_method
from webcommon.api.pointers import point_at
from webcommon.api.problems import (
    BadRequest,
    Conflict,
    ContentTooLarge,
    DatabaseUnreachable,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PoolBusy,
    Problem,
    StatementTimedOut,
    UnsupportedMediaType,
    problem_response,
)

logger = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """Handler of `Problem`."""
    if not isinstance(error, Problem):
        raise error
    return problem_response(request, error)


async def answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Handler of a request that violates its schema. The input, which may be a password, is not echoed."""
    if not isinstance(error, RequestValidationError):
        raise error
    if error.body and isinstance(error.body, bytes):
        # FastAPI parses JSON only when the Content-Type says so; otherwise the body stays bytes.
        detail = "Send JSON, with Content-Type: application/json."
        return problem_response(request, UnsupportedMediaType(detail))
    errors = [
        {"pointer": point_at(entry, body=error.body), "detail": _detail(entry)}
        for entry in error.errors()[:_MAXIMUM_ERRORS]
    ]
    problem = _WithErrors("One or more fields were refused; see errors.", errors=errors)
    return problem_response(request, problem)


_MAXIMUM_ERRORS = 50
"""How many faults are listed."""


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
        # Pydantic counts the "items" of a text that is stored in another type, such as a secret.
        word, name = _LENGTHS[entry["type"]]
        length = entry["ctx"][name]
        return f"String should have {word} {length} character{'' if length == 1 else 's'}"
    message: str = entry["msg"]
    return message.removeprefix("Value error, ")


_FRAMEWORK_PROBLEMS = {
    problem.status: problem
    for problem in (BadRequest, NotFound, MethodNotAllowed, Conflict, ContentTooLarge, UnsupportedMediaType)
}


@cache
def problem_class(status: int) -> type[Problem]:
    """The problem of an HTTP status, for errors of the framework."""
    if status in _FRAMEWORK_PROBLEMS:
        return _FRAMEWORK_PROBLEMS[status]
    phrase = HTTPStatus(status).phrase
    slug = re.sub("[^a-z0-9]+", "-", phrase.lower())
    # A number, since logs would write an HTTPStatus out.
    members = {"status": int(status), "title": phrase.capitalize(), "slug": slug}
    return type(f"Http{status}", (Problem,), members)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of the framework's refusals: unknown path, method, an unreadable body."""
    if not isinstance(error, HTTPException):
        raise error
    headers = error.headers
    # A mounted application has set the headers of its own routes.
    if error.status_code == MethodNotAllowed.status and (methods := _list_methods(request)):
        headers = {"Allow": ", ".join(methods)}
    return problem_response(request, problem_class(error.status_code)(headers=headers))


def _list_methods(request: Request) -> Sequence[str]:
    """The methods of all routes at the request's path; the framework names only those of the first."""
    get_only = getattr(request.app, "get_only", ())
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        if accepts_method(request.app, request.scope, method=method, get_only=get_only)
    ]


async def answer_database_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of database errors: 503 with `Retry-After`."""
    if not isinstance(error, DatabaseError):
        raise error
    logger.warning("%s: %s", type(error).__name__, error)
    problem = _database_problem(error)
    problem.headers["Retry-After"] = str(error.retry_after)
    return problem_response(request, problem)


def _database_problem(error: DatabaseError) -> Problem:
    if isinstance(error, PoolExhausted):
        return PoolBusy("Nothing was changed. Try again after the seconds that Retry-After gives.")
    if isinstance(error, DatabaseBusy):
        return StatementTimedOut("Nothing was changed. Try again after the seconds that Retry-After gives.")
    return DatabaseUnreachable("Try again after the seconds that Retry-After gives.")


_BAD_TEXT = ("22021", "22P05")
"""SQLSTATEs of text that PostgreSQL cannot store: a NUL character, plain or inside JSON."""


async def answer_driver_error(request: Request, error: Exception) -> JSONResponse:
    """Handler of an error of a statement: text that cannot be stored is a 422, anything else a 500."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _BAD_TEXT:
        return problem_response(request, InvalidRequest("a text holds a NUL character; remove it"))
    return await answer_unexpected(request, error)


async def answer_disconnect(request: Request, _error: Exception) -> JSONResponse:
    """Handler of a client that disconnected while sending its body: no answer, and no error in the log."""
    return problem_response(request, BadRequest("The connection ended before the body did."))


async def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Handler of any other error: a 500 without the cause, which is logged with the request id."""
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
    """The problem document of an error, by the handler of its nearest class."""
    handler = next(_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS)
    return await handler(request, error)
