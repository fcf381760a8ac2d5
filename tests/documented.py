"""Checks a service's answers against its OpenAPI document, by a hook of the tests' clients."""

import functools
import importlib
import re
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
from fastapi.routing import APIRoute, _IncludedRouter
from pydantic import SecretStr

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from webcommon.app.service import Service

EventHooks = dict[str, list[Callable[[httpx.Response], Awaitable[None]]]]

BODILESS = {204, 304}
"""Statuses whose answers never have a body (RFC 9110, sections 15.3.5 and 15.4.5)."""

_URI = "urn:openapi"


class NotAsDocumented(AssertionError):
    """An answer that its document does not allow."""


@dataclass(frozen=True, kw_only=True)
class _Operation:
    path: re.Pattern[str]
    method: str
    responses: dict[str, Any]
    pointer: str
    """The JSON pointer of `responses`, as a URI's fragment."""


class DocumentedAnswers:
    """The answers in an OpenAPI 3.1 document. Paths, methods and statuses outside of it are not checked."""

    def __init__(self, document: dict[str, Any]) -> None:
        # In the order of the routes, which decides when two match a path.
        self._operations = [
            _Operation(
                path=re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))),
                method=method.upper(),
                responses=operation["responses"],
                pointer=f"#/paths/{_escape(path)}/{method}/responses",
            )
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]
        self._registry = jsonschema_rs.Registry([(_URI, document)])
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    async def check(self, response: httpx.Response) -> None:
        """Check media type and body; the body of an event stream is left unread. Raises NotAsDocumented."""
        operation = self._find(response.request)
        if operation is None:
            return
        status = str(response.status_code)
        status = status if status in operation.responses else "default"
        if status not in operation.responses:
            return
        kinds = operation.responses[status].get("content", {})
        if not kinds or response.status_code in BODILESS:
            if await response.aread():
                raise _difference(response, "has a body where none is documented")
            return
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in kinds and f"{kind.partition('/')[0]}/*" not in kinds:
            raise _difference(response, f"is {kind or 'of no media type'}, not {' or '.join(kinds)}")
        if kind.endswith(("/json", "+json")) and "schema" in kinds.get(kind, {}):
            await response.aread()
            pointer = f"{operation.pointer}/{status}/content/{_escape(kind)}/schema"
            self._check_body(response, pointer)

    def _find(self, request: httpx.Request) -> _Operation | None:
        for operation in self._operations:
            if operation.method == request.method and operation.path.fullmatch(request.url.path):
                return operation
        return None

    def _check_body(self, response: httpx.Response, pointer: str) -> None:
        try:
            self._validator(pointer).validate(response.json())
        except jsonschema_rs.ValidationError as error:
            place = "/".join(map(str, error.instance_path))
            raise _difference(response, f"is wrong at /{place}: {error.message}") from None
        except ValueError as error:
            raise _difference(response, f"is no JSON: {error}") from None

    def _validator(self, pointer: str) -> jsonschema_rs.Validator:
        if pointer not in self._validators:
            self._validators[pointer] = jsonschema_rs.Draft202012Validator(
                {"$ref": _URI + pointer}, registry=self._registry, validate_formats=True, offline=True
            )
        return self._validators[pointer]


def _escape(part: str) -> str:
    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


def _difference(response: httpx.Response, what: str) -> NotAsDocumented:
    request = response.request
    return NotAsDocumented(f"{request.method} {request.url.path}: the answer {response.status_code} {what}")


def checking(service: Service | str) -> EventHooks:
    """The `event_hooks` of a client of an application, or of a process of the service of that name."""

    @functools.cache
    def documented() -> DocumentedAnswers:
        return _answers_of(unconnected(service) if isinstance(service, str) else service)

    async def check(response: httpx.Response) -> None:
        await documented().check(response)

    return {"response": [check]}


_known: dict[Hashable, DocumentedAnswers] = {}


def _answers_of(app: Service) -> DocumentedAnswers:
    """Applications with the same routes share one: to describe Auth takes as long as many of its requests."""
    names = tuple((route.path, _name(route.endpoint)) for route in _routes_of(app))
    if names not in _known:
        _known[names] = DocumentedAnswers(app.openapi())
    return _known[names]


def _name(endpoint: Callable[..., Any]) -> Hashable:
    return endpoint.__module__, getattr(endpoint, "__qualname__", endpoint)


def _routes_of(app: Service) -> Iterator[APIRoute]:
    # Not by `iter_route_contexts`, which works out all of every route, where requests only do what they need.
    for route in app.routes:
        within = route.original_router.routes if isinstance(route, _IncludedRouter) else [route]
        yield from (one for one in within if isinstance(one, APIRoute))


@functools.cache
def unconnected(service: str) -> Service:
    """The service's application, with settings without a real database: it connects only when it runs."""
    nowhere = DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing")
    settings = importlib.import_module(f"{service}.settings").Settings(
        secret=SecretStr("s" * 32), database=DatabaseSettings(url=nowhere)
    )
    app = importlib.import_module(f"{service}.main").create_app(settings)
    assert isinstance(app, Service)
    return app
