"""The express lane: a route that asks for nothing but the caller and the database is served without FastAPI's machinery.

FastAPI resolves dependencies, opens exit stacks and passes half a dozen layers for each request, which costs more than
the statement that such a route is about. A route marked with `@express` stays an ordinary route, described in OpenAPI
and reachable as one; when a plain GET for it comes in, its function is called directly. What the lane cannot do
(other methods, anything that is not in the function's signature) goes the ordinary way, to the same answer.

    @router.get("/v1/users/me", operation_id="read_own_account")
    @express
    async def read_own_account(caller: CallerDep, database: DatabaseDep) -> UserAnswer: ...
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, get_type_hints

from fastapi import APIRouter, FastAPI, Request
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send

from dbcommon.session import DatabaseDep
from webcommon.bearer import BearerToken, CallerDep
from webcommon.problems import answer_error

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])
Source = Callable[[HTTPConnection], Awaitable[Any]]

_MARK = "__express__"


async def _give_database(connection: HTTPConnection) -> Any:
    return connection.app.state.database


_SOURCES: dict[Any, Source] = {CallerDep: BearerToken(), DatabaseDep: _give_database}
"""What an express function may ask for."""


def express(endpoint: Endpoint) -> Endpoint:
    """Mark a route's function. Its parameters are `CallerDep` and `DatabaseDep`, its answer a pydantic model."""
    setattr(endpoint, _MARK, True)
    return endpoint


class ExpressRoute:
    """One marked route: gathers what its function asks for, calls it, and writes the answer."""

    def __init__(self, route: APIRoute) -> None:
        hints = get_type_hints(route.endpoint, include_extras=True)
        answer = hints.pop("return")
        unknown = [name for name, hint in hints.items() if hint not in _SOURCES]
        if unknown or inspect.signature(route.endpoint).parameters.keys() != hints.keys():
            raise TypeError(
                f"{route.path} cannot be express: it asks for more than the caller and the database"
            )
        self.route = route
        self._sources = {name: _SOURCES[hint] for name, hint in hints.items()}
        self._to_json = TypeAdapter(answer).serializer.to_json

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        arguments = {name: await source(connection) for name, source in self._sources.items()}
        body = self._to_json(await self.route.endpoint(**arguments))
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await send(
            {"type": "http.response.start", "status": self.route.status_code or 200, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body})


class ExpressLane:
    """Stands before an application and serves its express routes; everything else passes through."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._owner = owner
        self._routes = collect_express_routes(routers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = (
            self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        )
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._owner
        scope["route"] = route.route
        try:
            await route(scope, receive, send)
        # All of them, as the framework's own outermost layer would: a caller is answered, whatever went wrong.
        except Exception as error:
            response = await answer_error(Request(scope), error)
            await response(scope, receive, send)


def collect_express_routes(routers: Iterable[APIRouter]) -> dict[str, ExpressRoute]:
    """The marked routes by their path. Raises `TypeError` for one that the lane cannot serve."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    marked = [route for route in routes if getattr(route.endpoint, _MARK, False)]
    return {route.path: ExpressRoute(route) for route in marked}
