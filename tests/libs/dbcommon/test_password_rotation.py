"""A password that is rotated in its file, then in the server, fails no connection."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.errors import DatabaseUnavailable
from dbcommon.settings import DatabaseSettings, PoolSettings, read_url
from tests.servers import TestServer

ROLE = "rotated_user"


@pytest.fixture
async def admin(bare_server: TestServer) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, beside a role of this test's own with the password `first`."""
    connection = await bare_server.connect()
    await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'first'")
    await connection.execute(f"GRANT CONNECT ON DATABASE l2p_db TO {ROLE}")
    yield connection
    await connection.execute(f"DROP OWNED BY {ROLE}")
    await connection.execute(f"DROP ROLE {ROLE}")
    await connection.close()


@pytest.fixture
async def database(bare_server: TestServer, tmp_path: Path) -> AsyncIterator[Database]:
    """A pool of that role, whose password lies in the file `password`."""
    (tmp_path / "password").write_text("first\n")
    environ = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(bare_server.cluster.port),
        "L2P_DB_USER": ROLE,
        "L2P_DB_PASSWORD_FILE": str(tmp_path / "password"),
    }
    settings = DatabaseSettings(
        url=read_url("l2p", environ), pool=PoolSettings(min=0, max=10, wait_seconds=10)
    )
    database = Database(settings, application_name="a test")
    async with database.running():
        yield database


async def open_at_once(database: Database, count: int) -> None:
    """Hold so many connections at the same time."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            db = await stack.enter_async_context(database.transaction())
            await db.execute(text("SELECT 1"))
        assert database.pool_status().in_use == count


async def test_no_connection_fails_while_a_password_is_rotated(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database, tmp_path: Path
) -> None:
    await open_at_once(database, 2)
    for size, password in ((4, "second"), (8, "third")):
        (tmp_path / "password").write_text(password)
        await open_at_once(database, size - 1)  # the server still has the one before
        await admin.execute(f"ALTER ROLE {ROLE} PASSWORD '{password}'")
        await open_at_once(database, size)
    assert database.pool_status().size == 8


async def test_a_password_that_is_wrong_in_the_file_too_is_refused(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database, tmp_path: Path
) -> None:
    await admin.execute(f"ALTER ROLE {ROLE} PASSWORD 'unknown'")
    for content in ("first", "neither", ""):
        (tmp_path / "password").write_text(content)
        with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
            await open_at_once(database, 1)
    (tmp_path / "password").unlink()
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        await open_at_once(database, 1)
