"""Migrations: applied once by concurrent runs, without blocking a service."""

import asyncio
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError

from dbcommon.lock_holder import HOLDER, HolderTeller
from dbcommon.migrations import LocksHeld, downgrade, upgrade
from tests.libs.dbcommon.migrations.migrating import Database, connect, migrate, status_of, tables, wait_for
from tests.libs.sample_service import SampleService
from tests.servers import TestServer

ROOT = Path(__file__).parents[4]


async def test_an_empty_database_is_brought_to_the_head_and_back(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    assert await status_of(sample, owner) == (None, ("first", "second", "third"), ())
    await migrate(sample.name, owner, revision="first")
    current, pending, _ = await status_of(sample, owner)
    assert (current, pending) == ("first", ("second", "third"))
    await migrate(sample.name, owner)
    assert await status_of(sample, owner) == ("third", (), ())
    assert await tables(owner) == ["alembic_version", "entries", "things"]
    await asyncio.to_thread(downgrade, sample.name, owner)
    assert (await status_of(sample, owner))[0] == "second"
    await asyncio.to_thread(downgrade, sample.name, owner, revision="base")
    assert await tables(owner) == ["alembic_version"]
    await migrate(sample.name, owner)
    assert await status_of(sample, owner) == ("third", (), ())


async def test_a_database_at_the_head_is_left_alone(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    await migrate(sample.name, owner)
    assert await status_of(sample, owner) == ("third", (), ())


TEN_AT_ONCE = """
import os, sys
from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
service, url = sys.argv[1], DatabaseUrl.parse(os.environ["URL"])
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        try:
            upgrade(service, url)
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


async def test_ten_processes_at_once_apply_each_migration_once(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    # A row for each time that a migration runs; a second run would fail at the table besides.
    sample.add_revision(
        "fourth",
        before="third",
        up='op.execute("CREATE TABLE IF NOT EXISTS runs (at timestamptz DEFAULT clock_timestamp())")\n'
        '    op.execute("SELECT pg_sleep(0.2)")\n    op.execute("INSERT INTO runs DEFAULT VALUES")',
        down='op.drop_table("runs")',
    )
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", TEN_AT_ONCE, sample.name],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{sample.folder}:{ROOT}", "URL": owner.reveal()},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr.decode()) == (0, "")
    connection = await connect(owner)
    assert await connection.fetchval("SELECT count(*) FROM runs") == 1
    assert [row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version")] == ["fourth"]
    locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    await connection.close()
    assert locks == 0


ONE = """
import os, sys
from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
print(*upgrade(sys.argv[1], DatabaseUrl.parse(os.environ["URL"], variable="URL")))
"""


async def test_of_five_at_once_one_says_that_it_applied_what_was_pending(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    told = await asyncio.gather(
        # Processes of their own: alembic's context belongs to a whole process.
        *(
            asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", ONE, sample.name],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": f"{sample.folder}:{ROOT}",
                    "URL": owner.reveal(),
                },
                capture_output=True,
                timeout=60,
                check=True,
            )
            for _ in range(5)
        )
    )
    assert sorted(done.stdout.decode().strip() for done in told) == ["", "", "", "", "first second third"]


async def test_a_migration_says_whom_it_waits_for(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    holder = await connect(owner)
    await holder.execute("SELECT pg_advisory_lock($1)", zlib.crc32(b"quartet migrations"))
    lines: list[str] = []
    said = asyncio.Event()
    loop = asyncio.get_running_loop()

    def say(line: str) -> None:
        lines.append(line)
        loop.call_soon_threadsafe(said.set)

    migrating = asyncio.create_task(asyncio.to_thread(upgrade, sample.name, owner, say=say))
    await asyncio.wait_for(said.wait(), timeout=30)
    pid = await holder.fetchval("SELECT pg_backend_pid()")
    await holder.close()
    assert await migrating == ("first", "second", "third")
    (line,) = lines
    assert line.startswith(
        f"waiting for process {pid} of {owner.user} (t), which holds the lock of the migrations; connected since "
    )
    assert line.endswith(f"; if it does not end by itself: SELECT pg_terminate_backend({pid})")


async def test_a_holder_of_another_role_is_reported_once_without_its_statement(
    bare_server: TestServer, urls: Database
) -> None:
    owner, _ = urls
    holder = await bare_server.connect(owner.database)
    key = zlib.crc32(b"quartet migrations")
    await holder.execute("SELECT pg_advisory_lock($1)", key)
    waiter = await connect(owner)
    lines: list[str] = []
    teller = HolderTeller(lock="the lock", say=lines.append)
    for _ in range(2):
        teller.tell(await waiter.fetchrow(HOLDER, key))
    pid = await holder.fetchval("SELECT pg_backend_pid()")
    await holder.close()
    (line,) = lines
    assert re.fullmatch(
        rf"waiting for process {pid} of postgres \([^)]*\), which holds the lock;"
        rf" if it does not end by itself: SELECT pg_terminate_backend\({pid}\)",
        line,
    )
    teller.tell(None)
    await waiter.execute("SELECT pg_advisory_lock($1)", key)
    teller.tell(await waiter.fetchrow(HOLDER, key))
    await waiter.close()
    assert len(lines) == 2
    assert f"of {owner.user} (t), which holds the lock; connected since " in lines[1]
    assert "; its statement: SELECT a.pid" in lines[1]


async def test_a_migration_that_gets_no_lock_lets_requests_pass_and_names_the_blocker(
    sample: SampleService, urls: Database, bare_server: TestServer
) -> None:
    owner, user = urls
    await migrate(sample.name, owner, revision="second")
    holder, reader = await connect(user), await connect(user)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE things IN ACCESS SHARE MODE")
    await reader.execute("SET statement_timeout = '1s'")
    migrating = asyncio.create_task(
        asyncio.to_thread(
            upgrade,
            sample.name,
            owner,
            lock_budget=2,
            observer=bare_server.url("auth", role="admin", database=owner.database),
        )
    )
    while not migrating.done():
        await reader.execute("SELECT count(*) FROM things")  # fails when it waits for longer than a second
        await asyncio.sleep(0.01)
    with pytest.raises(LocksHeld) as caught:
        await migrating
    blocker = caught.value.blocker
    assert blocker is not None
    assert blocker.pid == await holder.fetchval("SELECT pg_backend_pid()")
    assert (blocker.role, blocker.application, blocker.statement) == (
        user.user,
        "t",
        "LOCK TABLE things IN ACCESS SHARE MODE",
    )
    assert blocker.seconds is not None
    # Nothing of the migration stayed, and it is applied once the lock is released within the budget.
    assert (await status_of(sample, owner))[0] == "second"
    migrating = asyncio.create_task(asyncio.to_thread(upgrade, sample.name, owner))
    await wait_for(
        reader, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass"
    )
    await transaction.commit()
    assert await migrating == ("third",)
    await holder.close()
    await reader.close()


async def test_a_migration_that_fails_keeps_those_before_it_and_nothing_of_itself(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    sample.add_revision(
        "fourth",
        before="third",
        up='op.create_table("half", sa.Column("id", sa.Integer))\n    op.execute("SELECT 1 / 0")',
        down="pass",
    )
    with pytest.raises(DBAPIError, match="division by zero"):
        await migrate(sample.name, owner)
    connection = await connect(owner)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "third"
    locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    await connection.close()
    assert locks == 0
    assert "half" not in await tables(owner)


async def test_a_newer_database_has_nothing_pending_and_is_left_alone(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute("UPDATE alembic_version SET version_num = 'of_next_week'")
    newer = "the database is newer than this version, which does not know the revision of_next_week"
    assert await status_of(sample, owner) == ("of_next_week", (), (newer,))
    # An older replica's migration job comes late in a rollout: that is no failure.
    await migrate(sample.name, owner)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "of_next_week"
    await connection.close()
    # Undoing an unknown revision is such an error.
    with pytest.raises(CommandError):
        await asyncio.to_thread(downgrade, sample.name, owner)


async def test_a_schema_of_its_own_is_migrated_in_that_schema(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    connection = await connect(owner)
    await connection.execute("CREATE SCHEMA sales")
    await migrate(sample.name, replace(owner, schema="sales"))
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'sales' ORDER BY 1")
    await connection.close()
    assert [row["tablename"] for row in rows] == ["alembic_version", "entries", "things"]
    assert await tables(owner) == []
    assert await status_of(sample, replace(owner, schema="sales")) == ("third", (), ())
