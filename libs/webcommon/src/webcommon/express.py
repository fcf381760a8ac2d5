"""The express lane: a route that asks for little is served without FastAPI's machinery.

FastAPI resolves dependencies, opens exit stacks and passes half a dozen layers for each request, which costs more than
the statements that such a route is about. A route marked with `@express` stays an ordinary route, described in OpenAPI
and reachable as one; when a plain request for it comes in, its function is called directly. What the lane cannot do
(other methods, a query, a body that is long or wrong) goes the ordinary way, to the same answer.

    @router.get("/v1/users/me", operation_id="read_own_account")
    @express
    async def read_own_account(caller: CallerDep, database: DatabaseDep) -> UserAnswer: ...
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, get_args

from fastapi import APIRouter, FastAPI, Request, params
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcommon.problems import answer_error
from webcommon.tracing import name_span

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])
Source = Callable[[HTTPConnection], Awaitable[Any]]

LONGEST_BODY = 8192
"""Bytes; a longer body goes the ordinary way, where the limit of the route is known."""

_MARK = "__express__"


def express(endpoint: Endpoint) -> Endpoint:
    """Mark a route's function. Its parameters are the request, what `Depends` makes of the connection alone (`CallerDep`,
    `DatabaseDep`, `kept_as`), at most one model as the JSON body, and optional ones of the query. Its answer is a model, or
    a response."""
    setattr(endpoint, _MARK, True)
    return endpoint


class ExpressRoute:
    """One marked route: gathers what its function asks for, calls it, and writes the answer."""

    def __init__(self, route: APIRoute) -> None:
        if route.dependencies:
            raise TypeError(f"{route.path} cannot be express: the lane would leave its dependencies out")
        self.route = route
        self._sources: dict[str, Source] = {}
        self._body: tuple[str, TypeAdapter[Any]] | None = None
        self._has_query = False
        self._wants_request: list[str] = []
        signature = inspect.signature(route.endpoint, eval_str=True)
        for parameter in signature.parameters.values():
            self._prepare(parameter)
        answer = signature.return_annotation
        is_model = inspect.isclass(answer) and not issubclass(answer, Response)
        self._to_json = TypeAdapter(answer).serializer.to_json if is_model else None

    def _prepare(self, parameter: inspect.Parameter) -> None:
        source = _find_source(parameter.annotation)
        if source is not None:
            self._sources[parameter.name] = source
        elif parameter.annotation is Request:
            self._wants_request.append(parameter.name)
        elif self._body is None and _is_body(parameter.annotation):
            self._body = (parameter.name, TypeAdapter(parameter.annotation))
        elif parameter.default is not inspect.Parameter.empty and not _is_elsewhere(parameter.annotation):
            self._has_query = True
        else:
            raise TypeError(f"{self.route.path} cannot be express: {parameter.name!r} asks for too much")

    def takes(self, scope: Scope) -> bool:
        """Whether a request with this head is one for the lane."""
        if self._has_query and scope["query_string"]:
            return False
        return self._body is None or _is_short_json(scope["headers"])

    async def read_body(self, receive: Receive) -> tuple[dict[str, Any] | None, Receive]:
        """The argument that the body is, None when the body is not as it should be, and what gives the body again."""
        if self._body is None:
            return {}, receive
        name, adapter = self._body
        content, again = await _read(receive)
        if content is None:
            return None, again
        try:
            return {name: adapter.validate_json(content)}, again
        except ValidationError:
            return None, again

    async def serve(self, body: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Call the function and send its answer."""
        request = Request(scope, receive)
        arguments = body | dict.fromkeys(self._wants_request, request)
        for name, source in self._sources.items():
            arguments[name] = await source(request)
        answer = await self.route.endpoint(**arguments)
        if self._to_json is None:
            await answer(scope, receive, send)
            return
        content = self._to_json(answer)
        headers = [(b"content-length", str(len(content)).encode()), (b"content-type", b"application/json")]
        status = self.route.status_code or 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class ExpressLane:
    """Stands before an application and serves its express routes; everything else passes through."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._owner = owner
        self._routes = collect_express_routes(routers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None or not route.takes(scope):
            await self._app(scope, receive, send)
            return
        body, receive = await route.read_body(receive)
        if body is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._owner
        scope["route"] = route.route
        name_span(scope, route.route.path)
        try:
            await route.serve(body, scope, receive, send)
        # All of them, as the framework's own outermost layer would: a caller is answered, whatever went wrong.
        except Exception as error:
            response = await answer_error(Request(scope), error)
            await response(scope, receive, send)


def collect_express_routes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], ExpressRoute]:
    """The marked routes by method and path. Raises `TypeError` for one that the lane cannot serve."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    marked = [route for route in routes if getattr(route.endpoint, _MARK, False)]
    return {(method, route.path): ExpressRoute(route) for route in marked for method in route.methods or ()}


def _find_source(annotation: Any) -> Source | None:
    """The function of `Depends`, if the connection is all that it asks for."""
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, params.Depends) and mark.dependency is not None:
            asked = inspect.signature(mark.dependency, eval_str=True).parameters.values()
            if [parameter.annotation for parameter in asked] == [HTTPConnection] and _waits(mark.dependency):
                return mark.dependency
    return None


def _waits(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _is_body(annotation: Any) -> bool:
    kinds = set(get_args(annotation) or (annotation,)) - {type(None)}
    return all(inspect.isclass(kind) and issubclass(kind, BaseModel) for kind in kinds)


def _is_elsewhere(annotation: Any) -> bool:
    marks = getattr(annotation, "__metadata__", ())
    return any(
        isinstance(mark, params.Depends | params.Header | params.Cookie | params.Body) for mark in marks
    )


_CODED = frozenset({b"content-encoding", b"transfer-encoding"})
_DIGITS = 10


def _is_short_json(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    lengths = [value for name, value in headers if name == b"content-length"]
    kinds = [value for name, value in headers if name == b"content-type"]
    if kinds != [b"application/json"] or len(lengths) != 1 or any(name in _CODED for name, _ in headers):
        return False
    return lengths[0].isdigit() and len(lengths[0]) < _DIGITS and 0 < int(lengths[0]) <= LONGEST_BODY


async def _read(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, None when the caller has gone, and what gives all of it once more to somebody else."""
    messages: list[Message] = []
    while not messages or (messages[-1]["type"] == "http.request" and messages[-1].get("more_body", False)):
        messages.append(await receive())
    left = iter(messages)

    async def receive_again() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    if messages[-1]["type"] != "http.request":
        return None, receive_again
    return b"".join(message.get("body", b"") for message in messages), receive_again
