"""A transaction on a service's database, for the commands that the service publishes."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings_error import SettingsError
from quartet.errors import ServerFailed, WrongPassword, WrongSettings
from quartet.readiness import ensure_answers
from quartet.settings import load_settings
from quartet.settings.catalogue import settings_class
from quartet.settings.secrets_file import new_secret

Result = TypeVar("Result")
Work = Callable[[AsyncSession], Awaitable[Result]]

UNDEFINED = ("42P01", "42703")
"""SQLSTATE of an undefined table and column."""

OUTDATED = (*UNDEFINED, "23514")
"""The same, and that of a value that a CHECK does not know yet."""

NOT_ALLOWED = "42501"
"""SQLSTATE of insufficient privileges."""


def run_in_transaction(service: str, work: Work[Result]) -> Result:
    """What `webcommon.commands.RunInTransaction` promises. Raises WrongPassword or ServerFailed."""
    settings = load_settings(check=False)
    url = settings.database_url(service, server=settings.server())
    ensure_answers(settings, [url])
    return asyncio.run(run_on(url, work, service=service))


def service_settings(service: str) -> Any:
    """What `webcommon.commands.ServiceAccess.settings` promises. Raises WrongSettings, WrongPassword or ServerFailed."""
    settings = load_settings(check=False)
    server = settings.server()
    ensure_answers(settings, [settings.database_url(service, server=server)])
    environment = settings.service_environment(service, server=server, process=os.environ)
    name = f"{service.upper()}_SECRET"
    if f"{name}_FILE" not in environment:
        environment.setdefault(
            name, new_secret()
        )  # a service's alone in containers; no command signs anything
    try:
        return settings_class(service).from_environment(environment)
    except SettingsError as error:
        raise WrongSettings("\n".join(error.lines)) from None


async def run_on(url: DatabaseUrl, work: Work[Result], *, service: str) -> Result:
    """Run `work` in a transaction on a connection of its own, and commit. Raises WrongPassword or ServerFailed."""
    connection = await connect(url, application_name=f"quartet-{service}")

    async def connected() -> "asyncpg.Connection[Any]":
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connected, poolclass=NullPool, hide_parameters=True
    )
    try:
        async with AsyncSession(engine, expire_on_commit=False) as db, db.begin():
            return await work(db)
    except DBAPIError as error:
        raise ServerFailed(explain_refusal(error, url, service=service)) from error
    finally:
        await engine.dispose()
        await connection.close()


def explain_refusal(
    error: DBAPIError, url: DatabaseUrl, *, service: str, outdated: tuple[str, ...] = OUTDATED
) -> str:
    """Why the server refused a statement, in one line without the values of rows. The SQLSTATEs `outdated` mean that
    migrations are pending."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate in outdated:
        return f"{url.database} is not up to date: run `quartet db migrate {service}`"
    cause = error.orig.__cause__ if error.orig else None
    # Only the first part of the server's message: its DETAIL holds the row's values.
    told = cause.args[0] if cause and cause.args else type(error).__name__
    hint = f": {url.user} may not do that" if sqlstate == NOT_ALLOWED else ""
    return f"{url.database} refuses the statement: {told}{hint}"


async def connect(
    url: DatabaseUrl, *, application_name: str, settings: Mapping[str, str] | None = None
) -> "asyncpg.Connection[Any]":
    """A connection with the session's `settings`, to be closed by the caller. Raises WrongPassword or ServerFailed."""
    arguments = {"timeout": 10, **url.connect_arguments(application_name=application_name)}
    arguments["server_settings"] = arguments["server_settings"] | (settings or {})
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(**arguments)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise WrongPassword(
            f"{url.database} refuses {url.user}: `quartet provision` sets its password anew"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(f"{url.database} cannot be reached ({error}): run `quartet up` first") from error
    return connection
