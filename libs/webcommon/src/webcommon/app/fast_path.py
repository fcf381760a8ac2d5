"""The fast path: calls a marked route and its dependencies directly, without FastAPI, and answers the same.

FastAPI's work for a request (six middlewares and routers, the tree of dependencies, exit stacks) costs more than the route's
statement. A route marked with `@fast_path` stays an ordinary route, described in OpenAPI. Its dependencies are put in
order when the application is built, and called in that order for each request. A request with an invalid parameter or a
long or invalid body, and an application with overrides, take the ordinary path through FastAPI.

    @router.get("/v1/users/me", operation_id="read_own_account")
    @fast_path
    async def read_own_account(caller: CallerDep, database: DatabaseDep) -> UserAnswer: ...
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, get_args

from fastapi import APIRouter, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webcommon.api.problem_handlers import answer_error
from webcommon.observability.tracing import name_span

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])

LONGEST_BODY = 8192
"""Bytes; a longer body takes the ordinary path, which knows the route's limit."""

_MARK = "__fast_path__"


def fast_path(endpoint: Endpoint) -> Endpoint:
    """Mark a route's function.

    The function and its dependencies are coroutine functions. At most one parameter is a JSON body, which is a model. The
    function returns a model or a response. No function may modify a parameter: the defaults of the query are shared by all
    requests without a query string.
    """
    setattr(endpoint, _MARK, True)
    return endpoint


class _Step:
    """One step of the plan: a dependency, or at the end the route's function."""

    def __init__(self, dependant: Dependant, *, results: Sequence[tuple[str, int]]) -> None:
        call = dependant.call
        if call is None or not _is_coroutine_function(call):
            raise TypeError(f"{call!r} is no coroutine function")
        self.call = call
        self.results = tuple(results)
        self.request_names = tuple(
            name for name in (dependant.request_param_name, dependant.http_connection_param_name) if name
        )
        self._path = dependant.path_params
        self._query = dependant.query_params
        self._headers = dependant.header_params
        self._cookies = dependant.cookie_params
        self.has_parameters = bool(self._path or self._query or self._headers or self._cookies)
        self._without_query: tuple[dict[str, Any], list[Any]] | None = None

    def read_parameters(self, request: Request) -> dict[str, Any] | None:
        """The parameters of path, query, headers and cookies; None when one is invalid."""
        values, errors = self._read_query(request)
        values = dict(values)
        for fields, received in (
            (self._path, "path_params"),
            (self._headers, "headers"),
            (self._cookies, "cookies"),
        ):
            if fields and not errors:
                more, errors = request_params_to_args(fields, getattr(request, received))
                values |= more
        return None if errors else values

    def _read_query(self, request: Request) -> tuple[dict[str, Any], list[Any]]:
        if request.scope["query_string"]:
            return request_params_to_args(self._query, request.query_params)
        if self._without_query is None:
            self._without_query = request_params_to_args(self._query, request.query_params)
        return self._without_query


def _order_steps(dependant: Dependant) -> list[_Step]:
    """The steps of a tree of dependencies, each after those that it needs. Raises `TypeError`."""
    steps: list[_Step] = []
    places: dict[Callable[..., Any] | None, int] = {}

    def add(node: Dependant) -> int:
        if node.call in places:
            return places[node.call]
        _refuse_unsupported(node)
        needed = [(sub.name, add(sub)) for sub in node.dependencies]
        steps.append(_Step(node, results=[(name, place) for name, place in needed if name is not None]))
        places[node.call] = len(steps) - 1
        return places[node.call]

    add(dependant)
    return steps


def _refuse_unsupported(node: Dependant) -> None:
    asked = (
        node.response_param_name,
        node.background_tasks_param_name,
        node.security_scopes_param_name,
        node.websocket_param_name,
        node.own_oauth_scopes,
        node.concurrency,
    )
    if any(asked) or not node.use_cache:
        raise TypeError(f"{node.call!r} uses what only FastAPI provides")


class FastRoute:
    """A marked route: reads the parameters of a request, calls the functions, and sends the response."""

    def __init__(self, route: APIRoute) -> None:
        self.route = route
        try:
            self._steps = _order_steps(route.dependant)
            self._body = _find_body(route.dependant)
        except TypeError as error:
            raise TypeError(f"{route.path} cannot take the fast path: {error}") from None
        answer = inspect.signature(route.endpoint, eval_str=True).return_annotation
        is_model = inspect.isclass(answer) and not issubclass(answer, Response)
        self._to_json = TypeAdapter(answer).serializer.to_json if is_model else None

    async def read(self, request: Request, receive: Receive) -> tuple[list[dict[str, Any]] | None, Receive]:
        """The parameters of each step, None when one is invalid; and a `receive` that yields the body again."""
        parameters: list[dict[str, Any]] = []
        for step in self._steps:
            read = step.read_parameters(request) if step.has_parameters else {}
            if read is None:
                return None, receive
            parameters.append(read)
        if self._body is None:
            return parameters, receive
        if not _is_short_json(request.scope["headers"]):
            return None, receive
        name, adapter = self._body
        content, receive = await _read(receive)
        try:
            parameters[-1][name] = adapter.validate_json(b"" if content is None else content)
        except ValidationError:
            return None, receive
        return parameters, receive

    async def serve(
        self, parameters: list[dict[str, Any]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Call the dependencies and the function, and send the answer."""
        request = Request(scope, receive)
        results: list[Any] = []
        for step, arguments in zip(self._steps, parameters, strict=True):
            for name, place in step.results:
                arguments[name] = results[place]
            for name in step.request_names:
                arguments[name] = request
            results.append(await step.call(**arguments))
        answer = results[-1]
        if self._to_json is None:
            await answer(scope, receive, send)
            return
        content = self._to_json(answer)
        headers = [(b"content-length", str(len(content)).encode()), (b"content-type", b"application/json")]
        status = self.route.status_code or 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class FastPath:
    """Serves an application's marked routes; everything else goes to the application."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._owner = owner
        self._routes = FastRoutes(routers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._routes.find(scope) if scope["type"] == "http" else None
        if found is None or self._owner.dependency_overrides:
            await self._app(scope, receive, send)
            return
        route, path_params = found
        # A copy: if the request takes the ordinary path, FastAPI gets the original.
        fast = {**scope, "app": self._owner, "route": route.route, "path_params": path_params}
        parameters, receive = await route.read(Request(fast), receive)
        if parameters is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route.route
        name_span(scope, route.route.path)
        try:
            await route.serve(parameters, fast, receive, send)
        # Every exception is answered, as by Starlette's outermost middleware.
        except Exception as error:
            response = await answer_error(Request(fast), error)
            await response(fast, receive, send)


class FastRoutes:
    """The routes of an application by method and path. Raises `TypeError` for a marked one that the fast path cannot
    serve."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        # Unmarked routes too: like FastAPI, the first route that matches a path serves it.
        self._fixed: dict[tuple[str, str], FastRoute | None] = {}
        self._templates: dict[str, list[tuple[re.Pattern[str], APIRoute, FastRoute | None]]] = {}
        for route in (route for router in routers for route in router.routes):
            if isinstance(route, APIRoute):
                self._add(route)

    def _add(self, route: APIRoute) -> None:
        fast = FastRoute(route) if getattr(route.endpoint, _MARK, False) else None
        for method in route.methods or ():
            if route.param_convertors:
                self._templates.setdefault(method, []).append((route.path_regex, route, fast))
            else:
                self._fixed.setdefault((method, route.path), fast)

    def find(self, scope: Scope) -> tuple[FastRoute, dict[str, Any]] | None:
        """The marked route of a request, and the parameters in its path."""
        method, path = scope["method"], scope["path"]
        if (method, path) in self._fixed:
            fixed = self._fixed[method, path]
            return None if fixed is None else (fixed, {})
        for pattern, route, fast in self._templates.get(method, ()):
            if match := pattern.match(path):
                convertors = route.param_convertors
                values = {name: convertors[name].convert(text) for name, text in match.groupdict().items()}
                return None if fast is None else (fast, values)
        return None

    def paths(self) -> set[tuple[str, str]]:
        """Method and path of each marked route."""
        fixed = {key for key, fast in self._fixed.items() if fast is not None}
        return fixed | {
            (method, route.path)
            for method, entries in self._templates.items()
            for _, route, fast in entries
            if fast is not None
        }


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _find_body(dependant: Dependant) -> tuple[str, TypeAdapter[Any]] | None:
    """The name and the model of the route's body."""
    if any(_has_body(sub) for sub in dependant.dependencies) or len(dependant.body_params) > 1:
        raise TypeError("it reads more than one model from the body")
    for field in dependant.body_params:
        annotation: Any = field.field_info.annotation
        kinds = set(get_args(annotation) or (annotation,)) - {type(None)}
        if not all(inspect.isclass(kind) and issubclass(kind, BaseModel) for kind in kinds):
            raise TypeError(f"{field.name!r} is no model")
        return field.name, TypeAdapter(annotation)
    return None


def _has_body(dependant: Dependant) -> bool:
    return bool(dependant.body_params) or any(_has_body(sub) for sub in dependant.dependencies)


_ENCODING_HEADERS = frozenset({b"content-encoding", b"transfer-encoding"})
_MAXIMUM_DIGITS = 10


def _is_short_json(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    lengths = [value for name, value in headers if name == b"content-length"]
    kinds = [value for name, value in headers if name == b"content-type"]
    if (
        kinds != [b"application/json"]
        or len(lengths) != 1
        or any(name in _ENCODING_HEADERS for name, _ in headers)
    ):
        return False
    return lengths[0].isdigit() and len(lengths[0]) < _MAXIMUM_DIGITS and 0 < int(lengths[0]) <= LONGEST_BODY


async def _read(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, None when the client has disconnected; and a `receive` that yields all of it again."""
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
