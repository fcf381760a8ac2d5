"""Connection strings against a real server: any password opens it, and every option has its effect."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from dbcommon.dsn import DatabaseUrl
from tests.servers import TestServer

NASTY = "p@ss:/w%rd?#[]é "

Login = Callable[..., Awaitable[DatabaseUrl]]
LOGIN_PASSWORDS = [
    NASTY,
    " leading and trailing ",
    "%41%zz%",
    "'\"\\$1;--",
    "\t\n\x07\x7f",
    "päß\u00a0wörd ½ \u200d",
    "🔑🗝️",
    "x" * 700,
]


@pytest.fixture
async def make_login(bare_server: TestServer) -> AsyncIterator[Login]:
    """`await make_login(password, name=…)` gives the URL of a new role with a database of the same name."""
    admin = await bare_server.connect()
    numbers = itertools.count()
    made: list[str] = []

    async def make(password: str, *, name: str | None = None) -> DatabaseUrl:
        role = name or f"login_{next(numbers)}"
        quoted = '"' + role.replace('"', '""') + '"'
        literal = await admin.fetchval("SELECT quote_literal($1::text)", password)
        await admin.execute(f"CREATE ROLE {quoted} LOGIN PASSWORD {literal}")
        made.append(quoted)
        await admin.execute(f"CREATE DATABASE {quoted} OWNER {quoted}")
        port = bare_server.cluster.port
        return DatabaseUrl(user=role, password=password, hosts=(("127.0.0.1", port),), database=role)

    try:
        yield make
    finally:
        for quoted in made:
            await admin.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
            await admin.execute(f"DROP ROLE {quoted}")
        await admin.close()


async def who_am_i(url: DatabaseUrl) -> tuple[str, str, str, str]:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        **url.connect_arguments(application_name="login test")
    )
    try:
        row = await connection.fetchrow(
            "SELECT session_user::text, current_database()::text,"
            " current_setting('application_name'), current_setting('search_path')"
        )
    finally:
        await connection.close()
    assert row is not None
    user, database, application, search_path = row
    return user, database, application, search_path


@pytest.mark.parametrize("password", LOGIN_PASSWORDS)
async def test_a_password_of_any_kind_opens_the_real_server(make_login: Login, password: str) -> None:
    url = await make_login(password)
    user, database, _, _ = await who_am_i(DatabaseUrl.parse(url.reveal()))
    assert (user, database) == (url.user, url.database)


async def test_names_of_any_kind_reach_the_real_server(make_login: Login) -> None:
    url = await make_login("p@ss", name='ö / ?#[]@:"; %41 ')
    user, database, application, _ = await who_am_i(DatabaseUrl.parse(url.reveal()))
    assert (user, database, application) == (url.user, url.database, "login test")


async def test_a_wrong_password_is_refused_by_the_test_server(make_login: Login) -> None:
    # Without this the tests above would pass on a server that trusts everybody.
    url = await make_login("right")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await who_am_i(DatabaseUrl.parse(url.reveal().replace("right", "wrong")))


async def test_schema_and_application_name_reach_the_session(make_login: Login) -> None:
    url = await make_login("p")
    text = f"{url.reveal()}?schema=Sales&application_name=a%26b%20c"
    _, _, application, search_path = await who_am_i(DatabaseUrl.parse(text))
    assert (application, search_path) == ("a&b c", '"Sales"')


async def test_a_dead_host_in_front_of_a_living_one_is_passed_over(make_login: Login) -> None:
    url = await make_login("p")
    several = url.reveal().replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    assert (await who_am_i(DatabaseUrl.parse(several)))[0] == url.user


async def test_a_session_attribute_chooses_among_servers(make_login: Login) -> None:
    url = await make_login("p")
    assert (await who_am_i(DatabaseUrl.parse(f"{url.reveal()}?target_session_attrs=primary")))[0] == url.user
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await who_am_i(DatabaseUrl.parse(f"{url.reveal()}?target_session_attrs=standby"))


async def test_a_socket_folder_works_as_a_host(make_login: Login, bare_server: TestServer) -> None:
    url = await make_login("p")
    folder = bare_server.cluster.data_folder / "socket"
    assert isinstance(folder, Path)
    text = url.reveal().replace("127.0.0.1", quote(str(folder), safe=""))
    assert (await who_am_i(DatabaseUrl.parse(text)))[0] == url.user


async def test_sslmode_disable_works_and_require_is_refused_without_tls(make_login: Login) -> None:
    url = await make_login("p")
    assert (await who_am_i(DatabaseUrl.parse(f"{url.reveal()}?sslmode=disable")))[0] == url.user
    assert (await who_am_i(DatabaseUrl.parse(f"{url.reveal()}?sslmode=prefer")))[0] == url.user
    with pytest.raises(ConnectionError):
        await who_am_i(DatabaseUrl.parse(f"{url.reveal()}?sslmode=require"))
