"""The application, its database, and accounts, for the tests of Auth."""

import atexit
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from auth.main import create_app
from auth.settings import Settings
from dbcommon.settings import DatabaseSettings
from quartet.service_database import run_on
from tests.clients import quick_hasher
from tests.servers import TestServer
from webcommon.accounts.passwords import PasswordHasher
from webcommon.app.service import Service

Result = TypeVar("Result")

PASSWORD = "seven quiet harbours"

_numbers = itertools.count(1)

_MAILS = Path(tempfile.mkdtemp(prefix="quartet-test-mails-"))
atexit.register(shutil.rmtree, _MAILS, ignore_errors=True)


def make_app(database: DatabaseSettings, *, hasher: PasswordHasher | None = None, **changed: Any) -> Service:
    """An Auth on that database, with a folder for mails that is the database's own. It hashes quickly unless told."""
    url = database.url
    folder = _MAILS / f"{url.hosts[0][1]}-{url.database}"
    return create_app(
        Settings(database=database, secret=SecretStr("s" * 32), **{"mail_folder": str(folder), **changed}),
        hasher=hasher or quick_hasher(),
    )


@dataclass(frozen=True, kw_only=True)
class AuthDatabase:
    """A database of Auth, which a test can also read and change directly, as the superuser."""

    settings: DatabaseSettings
    server: TestServer

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A superuser's connection."""
        connection = await self.server.connect(self.settings.url.database)
        try:
            yield connection
        finally:
            await connection.close()

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """All rows of a statement."""
        async with self.connect() as connection:
            return list(await connection.fetch(statement, *arguments))

    async def fetch_value(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        async with self.connect() as connection:
            return await connection.fetchval(statement, *arguments)

    async def run(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """What `work` gives, run as `quartet` runs the work of Auth's commands."""
        return await run_on(self.settings.url, work, service="auth")

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Run a statement."""
        async with self.connect() as connection:
            await connection.execute(statement, *arguments)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with an account, or about to register one."""

    email: str
    username: str
    password: str = field(default=PASSWORD, repr=False)

    @property
    def registration(self) -> dict[str, str]:
        """The body of their registration."""
        return {"email": self.email, "username": self.username, "password": self.password}


def new_person() -> Person:
    """A user whom no other test has."""
    number = next(_numbers)
    return Person(email=f"person{number}@example.com", username=f"person{number}")


async def register(client: httpx.AsyncClient, person: Person | None = None) -> Person:
    """A registered user."""
    person = person or new_person()
    response = await client.post("/v1/auth/register", json=person.registration)
    assert response.status_code == 201, response.text
    return person


async def log_in(client: httpx.AsyncClient, person: Person) -> dict[str, Any]:
    """The response to a successful login."""
    response = await client.post("/v1/auth/login", json={"login": person.email, "password": person.password})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """The response to a refresh."""
    return await client.post("/v1/auth/refresh", json={"refresh_token": token})


def bearer(access_token: str) -> dict[str, str]:
    """The header of a request with an access token."""
    return {"Authorization": f"Bearer {access_token}"}
