"""The server to look at, as its superuser, who gets in even when every other connection is taken."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from quartet.errors import Failure, ServerFailed, WrongPassword
from quartet.provision.plan import AdminConnection, Plan
from quartet.readiness import ensure_answers
from quartet.settings import OperatorSettings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

APPLICATION_NAME = "quartet inspect"
MAINTENANCE_DATABASE = "postgres"


@dataclass(frozen=True, kw_only=True)
class InspectedServer:
    """How to reach it, its plan, and the databases of its services."""

    admin: AdminConnection
    plan: Plan
    databases: Mapping[str, str]

    @contextlib.asynccontextmanager
    async def connect(self, database: str = MAINTENANCE_DATABASE) -> AsyncIterator[Connection]:
        """A connection that cannot write. Raises WrongPassword or ServerFailed, also for a query that fails."""
        connection = await _connect(self.admin, database)
        try:
            yield connection
        except asyncpg.PostgresError as error:
            raise ServerFailed(f"{database} does not answer a query on its state: {error}") from error
        finally:
            await connection.close()

    def service_of(self, database: str) -> str:
        """The service of a database; empty for any other database."""
        return next((service for service, name in self.databases.items() if name == database), "")


def find_server(settings: OperatorSettings) -> InspectedServer:
    """The server of the settings. A service with a complete URL of its own lives elsewhere, and is left out.

    Raises NotFound when none was ever started, Failure (exit code 1) when the embedded one is stopped, ServerFailed when
    nothing answers, WrongSettings when the superuser's password is not known.
    """
    server = settings.server()
    ensure_answers(settings, [settings.database_url("auth", "admin", server=server)], stopped=Failure)
    return describe_server(settings)


def describe_server(settings: OperatorSettings) -> InspectedServer:
    """As `find_server`, without asking whether it answers."""
    server, plan = settings.server(), settings.plan()
    return InspectedServer(
        admin=settings.admin(server),
        plan=plan,
        databases={
            service.service: service.database
            for service in plan
            if f"{service.service.upper()}_DATABASE_URL" not in settings.explicit
        },
    )


async def _connect(admin: AdminConnection, database: str) -> Connection:
    try:
        return await asyncpg.connect(
            host=admin.host,
            port=admin.port,
            user=admin.user,
            password=admin.password,
            database=database,
            timeout=10,
            statement_cache_size=0,
            server_settings={
                "application_name": APPLICATION_NAME,
                "default_transaction_read_only": "on",
                "statement_timeout": "15s",
                "lock_timeout": "2s",
                "search_path": "",
            },
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise WrongPassword(
            f"the server at {admin.host}:{admin.port} refuses the password of {admin.user}: put back the password that it"
            " was made with (secrets.env of the state folder, or POSTGRES_PASSWORD)"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(
            f"no connection to {database} at {admin.host}:{admin.port} ({str(error) or type(error).__name__})"
        ) from error


def spell_seconds(seconds: float | None) -> str:
    """A time as a table shows it; empty for None."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def one_line(statement: str, *, longest: int = 200) -> str:
    """A statement in one line. One that sets a password is cut before it."""
    flat = " ".join(statement.split())
    at = flat.upper().find("PASSWORD")
    if at >= 0 and flat.upper().startswith(("CREATE ", "ALTER ")):
        flat = f"{flat[:at]}…"
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
