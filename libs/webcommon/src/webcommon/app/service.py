"""The application class of every service: components, errors, health, metrics, CORS and OpenAPI."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_type_hints

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp

from dbcommon.engine import Database
from dbcommon.health import Health, health_router
from webcommon.api.head import HeadRequests
from webcommon.api.paging import CursorCodec
from webcommon.api.problem_handlers import add_problem_handlers
from webcommon.api.problems import (
    COMMON_PROBLEMS,
    BadRequest,
    ContentTooLarge,
    ProblemDocument,
    Unauthorized,
    UnsupportedMediaType,
    problem_responses,
)
from webcommon.app.browsers import allow_origins
from webcommon.app.docs_page import add_docs_page
from webcommon.app.drain import Drain, Hook
from webcommon.app.fast_path import FastPath
from webcommon.app.request_middleware import RequestMiddleware
from webcommon.auth.bearer import Issuer, TokenVerifier
from webcommon.auth.jwks import JwksCache
from webcommon.auth.revocations import EndedSessions
from webcommon.keys import derive_key
from webcommon.observability.metrics import PoolMetrics, RequestMetrics, metrics_router
from webcommon.observability.tracing import TracedClient, is_quiet
from webcommon.settings import ServiceSettings

BODY_LIMIT = 1024 * 1024
"""The maximum size in bytes of a request body, unless a route sets its own limit (`max_body_size=`)."""

Component = TypeVar("Component")

Lifespan = Callable[["Service"], AbstractAsyncContextManager[None]]


class Service(FastAPI):
    """A FastAPI application inside `RequestMiddleware`, with the parts that every service has.

    These are `settings`, `database`, `health`, `verifier`, `cursors`, `http`, `jwks` and `ended_sessions`. Without `issuers`
    Auth is the only issuer: its keys are fetched then, and its ended sessions polled. `keep` adds the service's own
    components. GET routes accept HEAD too, except for the paths of `get_only`.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        version: str,
        title: str,
        description: str,
        routers: Sequence[APIRouter],
        database: Database | None,
        issuers: Sequence[Issuer] | None = None,
        lifespan: Lifespan | None = None,
        persistence: Any = None,
        get_only: Collection[str] = (),
    ) -> None:
        super().__init__(
            title=title,
            description=description,
            version=version,
            lifespan=_lifespan,
            responses=COMMON_PROBLEMS,
            max_body_size=BODY_LIMIT,
            # A redirect would be an absolute URL with the Host that the caller sent.
            redirect_slashes=False,
            docs_url=None,
            redoc_url=None,
            # Spans go where `trace_export` sends them. Metrics and logs are separate.
            telemetry={
                "auto_configure": False,
                "metrics": False,
                "logs": False,
                "operation_spans": False,
                "exclude": is_quiet,
            },
        )
        self.inner_lifespan = lifespan
        self.drain = Drain()
        self._routers = routers
        self.request_metrics = RequestMetrics()
        self._prepare_state(
            settings, version=version, database=database, issuers=issuers, persistence=persistence
        )
        self._components = self._common_components()
        self.get_only = get_only
        add_problem_handlers(self)
        add_docs_page(self)
        for router in (health_router(self.health), metrics_router(self.request_metrics), *routers):
            self.include_router(router)

    def _prepare_state(
        self,
        settings: ServiceSettings,
        *,
        version: str,
        database: Database | None,
        issuers: Sequence[Issuer] | None,
        persistence: Any,
    ) -> None:
        self.settings = settings
        self.database = database
        self.health = Health(
            service=settings.service, version=version, database=database, persistence=persistence
        )
        self.http = TracedClient(timeout=5.0, verify=tls_context())
        self.jwks = JwksCache(settings.jwks_url, client=self.http)
        self.ended_sessions = EndedSessions(settings.revocations_url, client=self.http)
        self.trusts_auth = issuers is None
        if issuers is None:
            issuers = [auth_issuer(settings, keys=self.jwks, ended=self.ended_sessions)]
        self.verifier = TokenVerifier(*issuers)
        self.cursors = CursorCodec(derive_key(settings.secret.get_secret_value(), "cursors"))
        if database is not None:
            PoolMetrics(database, self.request_metrics.registry)

    def keep(self, components: object) -> None:
        """Keep the fields of a dataclass as the service's components; routes find each by its declared type
        (`webcommon.app.state.component`). A field is None if the settings leave its part out. Raises `TypeError` when two
        fields have one type."""
        self._components = self._common_components() | {type(components): components}
        hints = get_type_hints(type(components))
        given = {name: value for name, value in vars(components).items() if value is not None}
        for name, value in given.items():
            # `X | None` counts as `X`.
            (kind,) = (part for part in get_args(hints[name]) or (hints[name],) if part is not NoneType)
            if kind in self._components:
                raise TypeError(f"two components are of the type {kind.__qualname__}")
            self._components[kind] = value

    def _common_components(self) -> dict[type[object], object]:
        return {type(self.settings): self.settings, Database: self.database, CursorCodec: self.cursors}

    def component(self, kind: type[Component]) -> Component:
        """The component of this type. Raises `LookupError` when there is none."""
        found = self.find_component(kind)
        if found is None:
            raise LookupError(
                f"{self.title} keeps no {kind.__qualname__}; give it to Service.keep as a component"
            )
        return found

    def find_component(self, kind: type[Component]) -> Component | None:
        """The component of this type, or None."""
        return cast("Component | None", self._components.get(kind))

    def on_drain(self, hook: Hook) -> None:
        """Run `hook` once when the process is told to stop, after `/readyz` has turned to 503, and while requests and web
        sockets are still served. All hooks together get `HANDOVER_SECONDS`; then web sockets are closed with 1012."""
        self.drain.add(hook)

    def build_middleware_stack(self) -> ASGIApp:
        """`RequestMiddleware` outermost, so that it sees every answer, the framework's own included; then CORS, then HEAD
        as GET, then the fast path."""
        app: ASGIApp = FastPath(super().build_middleware_stack(), owner=self, routers=self._routers)
        app = HeadRequests(app, owner=self, get_only=self.get_only)
        settings: ServiceSettings = self.settings
        if settings.allowed_origins:
            app = allow_origins(app, settings.allowed_origins)
        return RequestMiddleware(app, metrics=self.request_metrics, is_https_only=settings.is_https_only)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the problem document's schema and without FastAPI's own 422."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            _, problem = models_json_schema(
                [(ProblemDocument, "serialization")], ref_template="#/components/schemas/{model}"
            )
            schemas.update(problem["$defs"])
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for operations in document["paths"].values():
                for operation in operations.values():
                    _complete_responses(operation)
            self.openapi_schema = document
        return self.openapi_schema


def _complete_responses(operation: dict[str, Any]) -> None:
    """Add the answers that every operation of its kind may give, and remove those that it cannot."""
    added: dict[int | str, Any] = {}
    if "requestBody" in operation:
        added |= problem_responses(BadRequest, ContentTooLarge, UnsupportedMediaType)
    if operation.get("security"):
        added |= problem_responses(Unauthorized)
    for status, response in added.items():
        operation["responses"].setdefault(str(status), response)
    if "requestBody" not in operation and not operation.get("parameters"):
        operation["responses"].pop("422", None)


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS context of clients, which trusts the usual certificate authorities."""
    # Cached: reading the certificate authorities takes longer than making the rest of an application.
    return httpx.create_ssl_context()


def auth_issuer(settings: ServiceSettings, *, keys: JwksCache, ended: EndedSessions) -> Issuer:
    """Auth as an issuer, with its published keys and its ended sessions."""
    return Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=keys, ended=ended)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if not isinstance(app, Service):
        raise TypeError("the lifespan belongs to a Service")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.http)
        if app.database is not None:
            await stack.enter_async_context(app.database.running())
        if app.trusts_auth:
            await stack.enter_async_context(app.jwks.running())
            await stack.enter_async_context(app.ended_sessions.running())
        if app.inner_lifespan is not None:
            await stack.enter_async_context(app.inner_lifespan(app))
        yield
