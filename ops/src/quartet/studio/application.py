"""The studio as an application: pages for the tables of each service."""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette_admin.base import BaseAdmin
from starlette_admin.routing import route
from starlette_admin.views import CustomView, Link

from dbcommon.dsn import DatabaseUrl
from quartet.errors import Failure
from quartet.schema import service_metadata
from quartet.service_database import UNDEFINED, connect, explain_refusal
from quartet.studio.row_keys import RowKeys
from quartet.studio.table_view import TableView

TEMPLATES = Path(__file__).parent / "templates"

LIMITS = {"statement_timeout": "15s", "lock_timeout": "2s", "timezone": "UTC", "bytea_output": "hex"}


@dataclass(frozen=True)
class StudioDatabase:
    """A service's database, and the role to look at it as."""

    service: str
    url: DatabaseUrl
    writes: bool

    async def connect(self) -> "asyncpg.Connection[Any]":
        """A connection that is as read-only as the studio. Raises WrongPassword or ServerFailed."""
        settings = LIMITS if self.writes else LIMITS | {"default_transaction_read_only": "on"}
        return await connect(self.url, application_name="quartet studio", settings=settings)


async def ensure_connects(databases: Sequence[StudioDatabase]) -> None:
    """Raises WrongPassword or ServerFailed when one of them cannot be reached."""
    for database in databases:
        await (await database.connect()).close()


def create_application(databases: Sequence[StudioDatabase], *, writes: bool) -> Starlette:
    """Pages for the tables of each database, under the name of its service."""
    # Its warnings quote values; what went wrong stands on the page.
    logging.getLogger("starlette_admin").setLevel(logging.CRITICAL)
    home = f"/{databases[0].service}/"

    async def go_home(request: Request) -> Response:  # noqa: ARG001  an endpoint's signature
        return RedirectResponse(home)

    application = Starlette(routes=[Route("/", go_home)])
    keys, secret = RowKeys(), secrets.token_urlsafe(32)
    for database in databases:
        others = [other.service for other in databases if other != database]
        _mount(application, database, others=others, keys=keys, secret=secret, writes=writes)
    return application


class FirstTable(CustomView):
    """The page of a service: it leads to its first table."""

    @route("")
    async def index(self, request: Request) -> Response:
        """Go to the list."""
        assert self._admin is not None  # noqa: S101  the admin sets it
        first = self._admin._model_views[0].key  # noqa: SLF001
        return RedirectResponse(request.url_for(f"{self._admin.route_name}:list", key=first))


def _mount(
    application: Starlette,
    database: StudioDatabase,
    *,
    others: Sequence[str],
    keys: RowKeys,
    secret: str,
    writes: bool,
) -> None:
    mode = "rows can be changed" if writes else "read-only"
    admin = BaseAdmin(
        title=f"{database.service} ({mode})",
        base_url=f"/{database.service}",
        route_name=database.service,
        templates_dir=str(TEMPLATES),
        index_view=FirstTable(menu_label="", route_name="index", add_to_menu=False),
        secret_key=secret,
        timezone_config=None,
    )
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=database.connect, poolclass=NullPool, hide_parameters=True
    )
    tables = service_metadata(database.service).tables
    for name in sorted(tables):
        admin.add_view(
            TableView(
                tables[name],
                service=database.service,
                url=database.url,
                engine=engine,
                keys=keys,
                writes=writes,
            )
        )
    for other in others:
        admin.add_link(Link(menu_label=f"→ {other}", url=f"/{other}/"))
    admin.mount_to(application)

    async def show_refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError)  # noqa: S101  registered for these
        told = explain_refusal(error, database.url, service=database.service, outdated=UNDEFINED)
        return await admin._render_error(request, HTTPException(400, told))  # noqa: SLF001

    async def show_failure(request: Request, error: Exception) -> Response:
        return await admin._render_error(request, HTTPException(503, str(error)))  # noqa: SLF001

    admin.app.add_exception_handler(DBAPIError, show_refusal)
    admin.app.add_exception_handler(Failure, show_failure)
