"""With a database, without one, and with one that is down; with tokens, and open on loopback."""

import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from pydantic import ValidationError

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from dbcommon.settings_error import SettingsError
from tests.clients import running
from tests.services.videovault.library import Library, a_video, settings_for
from tests.tokens import TokenMint
from videovault.main import create_app
from videovault.settings import Settings

SECRET = {"VIDEOVAULT_SECRET": "s" * 32}


@pytest_asyncio.fixture(params=["auto", "client"])
async def without_database(
    request: pytest.FixtureRequest, database: DatabaseSettings
) -> AsyncIterator[httpx.AsyncClient]:
    """A service without a database, and one whose settings leave it unused."""
    given = database if request.param == "client" else None
    async with running(create_app(settings_for(given, persistence=request.param))) as client:
        yield client


@pytest_asyncio.fixture
async def with_dead_database() -> AsyncIterator[httpx.AsyncClient]:
    """A service whose database refuses connections."""
    with socket.socket() as unheard:  # bound and not listening: nobody else gets the port meanwhile
        unheard.bind(("127.0.0.1", 0))
        hosts = (("127.0.0.1", unheard.getsockname()[1]),)
        url = DatabaseUrl(user="videovault_user", password="none", hosts=hosts, database="videovault_db")
        settings = settings_for(DatabaseSettings(url=url), access="open")
        async with running(create_app(settings)) as client:
            client.base_url = httpx.URL("http://localhost")
            yield client


async def calls(client: httpx.AsyncClient) -> list[httpx.Response]:
    """The responses to every call that needs a database."""
    return [
        await client.get("/v1/videos"),
        await client.post("/v1/videos", json=a_video()),
        await client.get(f"/v1/videos/{uuid4()}"),
        await client.delete(f"/v1/videos/{uuid4()}"),
    ]


async def test_with_a_database_the_mode_is_server_without_a_reason(library: Library) -> None:
    answer = await library.client.get("/v1/persistence")

    assert (answer.status_code, answer.json()) == (200, {"mode": "server", "reason": None})
    ready = await library.client.get("/readyz")
    assert (ready.status_code, ready.json()["persistence"]) == (200, "server")


async def test_without_a_database_the_service_is_ready_and_says_client(
    without_database: httpx.AsyncClient,
) -> None:
    persistence = await without_database.get("/v1/persistence")
    ready = await without_database.get("/readyz")
    health = await without_database.get("/health")
    page = await without_database.get("/")

    assert (persistence.status_code, persistence.json()["mode"]) == (200, "client")
    assert "VIDEOVAULT_" in persistence.json()["reason"]
    assert (ready.status_code, ready.json()["persistence"]) == (200, "client")
    assert (health.status_code, health.json()["persistence"]) == (200, "client")
    assert page.status_code == 200


async def test_without_a_database_every_data_call_is_refused_first_of_all(
    without_database: httpx.AsyncClient,
) -> None:
    answers = await calls(without_database)

    assert [answer.status_code for answer in answers] == [503] * 4
    assert {answer.json()["type"] for answer in answers} == {"/problems/no-persistence"}
    assert all("retry-after" in answer.headers for answer in answers)


async def test_a_database_that_is_down_is_mode_server_with_the_reason(
    with_dead_database: httpx.AsyncClient,
) -> None:
    persistence = await with_dead_database.get("/v1/persistence")
    ready = await with_dead_database.get("/readyz")
    answers = await calls(with_dead_database)

    assert (persistence.status_code, persistence.json()) == (
        200,
        {"mode": "server", "reason": "connection refused"},
    )
    assert (ready.status_code, ready.json()["persistence"]) == (503, "server")
    assert [answer.status_code for answer in answers] == [503] * 4
    assert {answer.json()["type"] for answer in answers} == {"/problems/database-unavailable"}


@pytest.mark.parametrize(
    ("variables", "has_database"),
    [
        ({}, False),
        ({"VIDEOVAULT_PERSISTENCE": "auto"}, False),
        ({"VIDEOVAULT_DB_PASSWORD": "p"}, True),
        ({"VIDEOVAULT_DATABASE_URL": "postgresql://u:p@h/d"}, True),
        ({"VIDEOVAULT_DB_PASSWORD": "p", "VIDEOVAULT_PERSISTENCE": "server"}, True),
        ({"VIDEOVAULT_DB_PASSWORD": "p", "VIDEOVAULT_PERSISTENCE": "client"}, False),
        ({"VIDEOVAULT_DATABASE_URL": "mysql://wrong", "VIDEOVAULT_PERSISTENCE": "client"}, False),
        ({"POSTGRES_HOST": "db.example", "VIDEOVAULT_DB_NAME": "d"}, False),
    ],
)
def test_the_environment_decides_whether_there_is_a_database(
    variables: dict[str, str], has_database: bool
) -> None:
    settings = Settings.from_environment(SECRET | variables)

    assert (settings.database is not None) is has_database
    assert (settings.port, settings.access) == (5100, "token")


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"VIDEOVAULT_PERSISTENCE": "server"}, "VIDEOVAULT_PERSISTENCE"),
        ({"VIDEOVAULT_PERSISTENCE": "none"}, "VIDEOVAULT_PERSISTENCE"),
        ({"VIDEOVAULT_ACCESS": "everybody"}, "VIDEOVAULT_ACCESS"),
        ({"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_HOST": "0.0.0.0"}, "VIDEOVAULT_HOST"),  # noqa: S104 - refused
        ({"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_HOST": "::"}, "VIDEOVAULT_HOST"),
        ({"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_HOST": "192.168.1.2"}, "VIDEOVAULT_HOST"),
        ({"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_HOST": "localhost.example.com"}, "VIDEOVAULT_HOST"),
        ({"VIDEOVAULT_DATABASE_URL": "mysql://u:hidden@h/d"}, "VIDEOVAULT_DATABASE_URL"),
    ],
)
def test_wrong_settings_are_one_line_that_names_the_variable(variables: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(SECRET | variables)

    assert len(refusal.value.lines) == 1
    assert word in refusal.value.lines[0]
    assert "\n" not in refusal.value.lines[0]
    assert "hidden" not in refusal.value.lines[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_open_access_is_accepted_on_loopback(host: str) -> None:
    settings = Settings.from_environment(SECRET | {"VIDEOVAULT_ACCESS": "open", "VIDEOVAULT_HOST": host})

    assert settings.access == "open"


def test_open_access_beyond_loopback_is_refused_in_code_too() -> None:
    changed: dict[str, Any] = {"access": "open", "host": "10.0.0.1"}

    with pytest.raises(ValidationError, match="VIDEOVAULT_ACCESS"):
        settings_for(None, **changed)


async def test_open_access_reads_and_writes_without_a_token(database: DatabaseSettings) -> None:
    async with running(create_app(settings_for(database, access="open"))) as client:
        for host in ("localhost:5100", "127.0.0.1:5100", "[::1]:5100"):
            created = await client.post("/v1/videos", json=a_video(), headers={"Host": host})
            read = await client.get(created.headers["location"], headers={"Host": host})
            deleted = await client.delete(created.headers["location"], headers={"Host": host})
            assert [answer.status_code for answer in (created, read, deleted)] == [201, 200, 200]


@pytest.mark.parametrize("host", ["attacker.example", "localhost.attacker.example", "192.168.1.2:5100", ""])
async def test_open_access_refuses_host_names_other_than_loopback(
    database: DatabaseSettings, host: str
) -> None:
    async with running(create_app(settings_for(database, access="open"))) as client:
        answers = [
            await client.get("/v1/videos", headers={"Host": host}),
            await client.post("/v1/videos", json=a_video(), headers={"Host": host}),
        ]

    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [
        (403, "/problems/host-not-allowed")
    ] * 2


async def test_with_tokens_every_host_name_is_served(library: Library, mint: TokenMint) -> None:
    answer = await library.client.get("/v1/videos", headers=mint.headers() | {"Host": "videos.example"})

    assert answer.status_code == 200
