"""Migrations: applied once however many try, never in the way of a service, and undone as they were done."""

import asyncio
import itertools
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError

from dbcommon.concurrent_index import NotOneIndex
from dbcommon.data_loss import WouldLoseData
from dbcommon.dsn import DatabaseUrl
from dbcommon.lock_holder import HOLDER, HolderTeller
from dbcommon.migration_status import read_status
from dbcommon.migrations import (
    LocksHeld,
    create_revision,
    downgrade,
    known_revisions,
    migrations_folder,
    pending_revisions,
    upgrade,
)
from quartet.provision.contents import ensure_contents
from quartet.provision.session import open_session
from tests.libs.sample_service import SampleService, sample_metadata, write_sample_service
from tests.servers import TestServer

ROOT = Path(__file__).parents[3]
NUMBERS = itertools.count()
Database = tuple[DatabaseUrl, DatabaseUrl]
Connect = Callable[[DatabaseUrl], Awaitable["asyncpg.Connection[Any]"]]


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[SampleService]:
    """A service of its own for each test: revisions are read once a process."""
    service = write_sample_service(tmp_path, f"sample_{next(NUMBERS)}")
    try:
        yield service
    finally:
        sys.path.remove(str(tmp_path))


@pytest.fixture
async def urls(bare_server: TestServer) -> Database:
    """An empty, provisioned database: the owner's URL and the runtime role's."""
    name = f"sample_db_{next(NUMBERS)}"
    planned = replace(bare_server.plan["auth"], database=name)
    admin = await bare_server.connect()
    try:
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "{planned.owner}" TEMPLATE template0')
        await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{planned.user}"')
    finally:
        await admin.close()
    async with open_session(bare_server.admin, database=name) as session:
        await ensure_contents(session, bare_server.plan, service=planned)
    return (
        bare_server.url("auth", role="owner", database=name),
        bare_server.url("auth", role="user", database=name),
    )


async def connect(url: DatabaseUrl) -> "asyncpg.Connection[Any]":
    connection: asyncpg.Connection[Any] = await asyncpg.connect(**url.connect_arguments(application_name="t"))
    return connection


async def migrate(service: str, url: DatabaseUrl, **options: Any) -> None:
    """`upgrade` runs a loop of its own, so it is given a thread."""
    await asyncio.to_thread(upgrade, service, url, **options)


async def status_of(
    sample: SampleService, url: DatabaseUrl
) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    status = await asyncio.to_thread(read_status, sample.name, url, metadata=sample_metadata())
    assert status.head == known_revisions(sample.name)[-1]
    return status.current, status.pending, status.drift


async def tables(url: DatabaseUrl) -> list[str]:
    connection = await connect(url)
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    await connection.close()
    return [row["tablename"] for row in rows]


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


async def wait_for(connection: "asyncpg.Connection[Any]", count: str) -> None:
    """Return once the query counts something."""
    while not await connection.fetchval(count):  # noqa: ASYNC110  another session changes it
        await asyncio.sleep(0.01)


CREATE_CONCURRENTLY = (
    'op.create_index("by_name", "things", ["name"], unique=True, postgresql_concurrently=True)'
)
DROP_CONCURRENTLY = 'op.drop_index("by_name", "things", postgresql_concurrently=True)'


def add_concurrent_revision(
    sample: SampleService, *, up: str = CREATE_CONCURRENTLY, name: str = "fourth", before: str = "third"
) -> None:
    sample.add_revision(name, before=before, up=up, down=DROP_CONCURRENTLY)
    file = sample.versions / f"{name}.py"
    file.write_text(file.read_text().replace("depends_on = None", "depends_on = None\nconcurrently = True"))


IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('by_name')"


async def test_an_index_that_could_not_be_built_concurrently_is_built_by_the_next_run(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    add_concurrent_revision(sample)
    await migrate(sample.name, owner, revision="third")
    connection = await connect(owner)
    await connection.execute("INSERT INTO things (id, name) VALUES (1, 'x'), (2, 'x')")
    with pytest.raises(DBAPIError, match="could not create unique index"):
        await migrate(sample.name, owner)
    assert await connection.fetchval(IS_VALID) is False
    await connection.execute("DELETE FROM things WHERE id = 2")
    await migrate(sample.name, owner)
    assert await connection.fetchval(IS_VALID) is True
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "fourth"
    # Cut off between the index and its revision: the index is there already.
    await connection.execute("UPDATE alembic_version SET version_num = 'third'")
    await migrate(sample.name, owner)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "fourth"
    await asyncio.to_thread(downgrade, sample.name, owner)
    assert await connection.fetchval(IS_VALID) is None
    await connection.close()


async def test_an_index_is_built_concurrently_while_rows_are_written(
    sample: SampleService, urls: Database
) -> None:
    owner, user = urls
    add_concurrent_revision(sample)
    await migrate(sample.name, owner, revision="third")
    writer, other, observer = await connect(user), await connect(user), await connect(owner)
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("INSERT INTO things (id, name) VALUES (1, 'x')")
    migrating = asyncio.create_task(asyncio.to_thread(upgrade, sample.name, owner))
    await wait_for(
        observer, "SELECT count(*) FROM pg_stat_progress_create_index WHERE relid = 'things'::regclass"
    )
    await other.execute("SET lock_timeout = '1s'")
    await other.execute("INSERT INTO things (id, name) VALUES (2, 'y')")
    await transaction.commit()
    assert await migrating == ("fourth",)
    for connection in (writer, other, observer):
        await connection.close()


@pytest.mark.parametrize(
    "up",
    [
        'op.add_column("things", sa.Column("more", sa.Text))',
        'op.create_index("by_name", "things", ["name"])',
        "pass",
    ],
)
async def test_a_revision_marked_concurrently_holds_one_index(
    sample: SampleService, urls: Database, up: str
) -> None:
    owner, _ = urls
    add_concurrent_revision(sample, up=up)
    with pytest.raises(NotOneIndex):
        await migrate(sample.name, owner)
    assert (await status_of(sample, owner))[:2] == ("third", ("fourth",))


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


@pytest.mark.parametrize(
    ("rows", "revision", "lost"),
    [
        ("INSERT INTO things (id) VALUES (1)", "-1", ["column things.size"]),
        ("INSERT INTO entries (id) VALUES (1)", "first", ["table entries"]),
        ("INSERT INTO entries (id) VALUES (1)", "second", []),
        ("SELECT 1", "base", []),
    ],
)
async def test_undoing_keeps_what_has_rows(
    sample: SampleService, urls: Database, rows: str, revision: str, lost: list[str]
) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute(rows)
    if lost:
        with pytest.raises(WouldLoseData) as caught:
            await asyncio.to_thread(downgrade, sample.name, owner, revision=revision, keeps_data=True)
        assert caught.value.lost == lost
        assert await status_of(sample, owner) == ("third", (), ())
    undone = await asyncio.to_thread(downgrade, sample.name, owner, revision=revision, keeps_data=not lost)
    await connection.close()
    expected = {"-1": 1, "second": 1, "first": 2, "base": 3}[revision]
    assert undone == ("third", "second", "first")[:expected]


async def test_what_a_migration_drops_with_rows_in_it_is_reported(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    sample.add_revision("fourth", before="third", up='op.drop_table("entries")', down="pass")
    sample.add_revision("fifth", before="fourth", up='op.drop_column("things", "size")', down="pass")
    await migrate(sample.name, owner, revision="third")
    connection = await connect(owner)
    await connection.execute("INSERT INTO entries (id) VALUES (1)")
    await connection.close()
    losses: dict[str, list[str]] = {}
    await migrate(sample.name, owner, losses=losses)
    assert losses == {"fourth": ["table entries"]}


async def test_undoing_keeps_rows_and_what_was_only_renamed(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    sample.add_revision("fourth", before="third", up="pass", down='op.execute("DELETE FROM things")')
    sample.add_revision(
        "fifth",
        before="fourth",
        up='op.rename_table("things", "items")\n    op.alter_column("items", "name", new_column_name="title")',
        down='op.rename_table("items", "things")\n    op.alter_column("things", "title", new_column_name="name")',
    )
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute("INSERT INTO items (id) VALUES (1)")
    assert await asyncio.to_thread(downgrade, sample.name, owner, keeps_data=True) == ("fifth",)
    with pytest.raises(WouldLoseData) as caught:
        await asyncio.to_thread(downgrade, sample.name, owner, keeps_data=True)
    assert caught.value.lost == ["rows of things"]
    assert await connection.fetchval("SELECT count(*) FROM things") == 1
    await connection.close()


async def test_the_runtime_role_reads_its_revision_and_cannot_write_it(
    sample: SampleService, urls: Database
) -> None:
    owner, user = urls
    await migrate(sample.name, owner)
    connection = await connect(user)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "third"
    for statement in (
        "UPDATE alembic_version SET version_num = 'x'",
        "INSERT INTO alembic_version VALUES ('x')",
        "DELETE FROM alembic_version",
        "TRUNCATE alembic_version",
        "DROP TABLE alembic_version",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_runtime_role_cannot_migrate(sample: SampleService, urls: Database) -> None:
    _, user = urls
    with pytest.raises(DBAPIError):
        await migrate(sample.name, user)


async def test_append_only_tables_take_rows_and_keep_them(sample: SampleService, urls: Database) -> None:
    owner, user = urls
    await migrate(sample.name, owner)
    connection = await connect(user)
    await connection.execute("INSERT INTO entries (id, text) VALUES (1, 'kept')")
    for statement in ("UPDATE entries SET text = 'x'", "DELETE FROM entries", "TRUNCATE entries"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await connection.fetchval("SELECT text FROM entries") == "kept"
    await connection.execute("INSERT INTO things (id) VALUES (1)")
    await connection.execute("UPDATE things SET name = 'x'")
    await connection.execute("DELETE FROM things")
    await connection.close()


@pytest.mark.parametrize("grantee", ["the role", "PUBLIC"])
@pytest.mark.parametrize("columns", ["", " (name)"])
async def test_a_table_made_append_only_leaves_no_right_on_a_column(
    sample: SampleService, urls: Database, grantee: str, columns: str
) -> None:
    owner, user = urls
    named = "PUBLIC" if grantee == "PUBLIC" else user.user
    statements = (f"REVOKE ALL ON things FROM {user.user}", f"GRANT UPDATE{columns} ON things TO {named}")
    sample.add_revision(
        "fourth",
        before="third",
        up="\n    ".join(f'op.execute("{statement}")' for statement in statements)
        + '\n    make_append_only(["things"])',
        down="pass",
    )
    await migrate(sample.name, owner)
    connection = await connect(user)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE things SET name = 'x'")
    held = await connection.fetchval("SELECT has_any_column_privilege('things', 'UPDATE')")
    await connection.close()
    assert held is False


OBJECTS = (
    "ALTER TABLE things ADD CONSTRAINT positive CHECK (size > 0)",
    "ALTER TABLE entries ADD CONSTRAINT of_thing FOREIGN KEY (id) REFERENCES things",
    "CREATE INDEX by_size ON things (size)",
    "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER stamp BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION stamp()",
)
STAMP = "CREATE TRIGGER stamp BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION stamp()"

ALTERED = {
    "ALTER TABLE things ADD COLUMN by_hand text": "column things.by_hand is in no migration",
    "ALTER TABLE things ALTER COLUMN size TYPE bigint": "column things.size: bigint, not integer",
    "ALTER TABLE things ALTER COLUMN name SET NOT NULL, ALTER COLUMN name SET DEFAULT 'x'": (
        "column things.name: text NOT NULL DEFAULT 'x'::text, not text"
    ),
    "CREATE INDEX by_hand ON things (name)": "index by_hand is in no migration",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_size'::regclass": (
        "index by_size: CREATE INDEX by_size ON things USING btree (size) (invalid),"
        " not CREATE INDEX by_size ON things USING btree (size)"
    ),
    "CREATE TABLE leftover (id serial PRIMARY KEY)": "table leftover is in no migration",
    "CREATE VIEW seen AS SELECT 1": "view seen is in no migration",
    "CREATE SEQUENCE numbers": "sequence numbers is in no migration",
    "CREATE TYPE mood AS ENUM ('a')": "type mood is in no migration",
    "ALTER TABLE entries DROP CONSTRAINT of_thing,"
    " ADD CONSTRAINT of_thing FOREIGN KEY (id) REFERENCES things ON DELETE CASCADE": (
        "foreign key entries.of_thing: FOREIGN KEY (id) REFERENCES things(id) ON DELETE CASCADE,"
        " not FOREIGN KEY (id) REFERENCES things(id)"
    ),
    "ALTER TABLE things DISABLE TRIGGER stamp": f"trigger things.stamp: {STAMP} (disabled), not {STAMP}",
    "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": (
        "function stamp(): differs"
    ),
    "REVOKE SELECT ON things FROM auth_user": (
        "grant on table things to auth_user: DELETE, INSERT, UPDATE, not DELETE, INSERT, SELECT, UPDATE"
    ),
    "GRANT UPDATE (text) ON entries TO auth_user": (
        "grant on column entries.text to auth_user is in no migration"
    ),
}

DROPPED = {
    "DROP TABLE entries": "table entries is missing",
    "ALTER TABLE things DROP CONSTRAINT positive": "CHECK things.positive is missing",
    "ALTER TABLE things DROP CONSTRAINT things_pkey": "primary key things.things_pkey is missing",
    "DROP INDEX by_size": "index by_size is missing",
    "ALTER TABLE things DROP COLUMN size": "column things.size is missing",
    "DROP TRIGGER stamp ON things": "trigger things.stamp is missing",
    "DROP FUNCTION stamp()": "function stamp() is missing",
}


@pytest.mark.parametrize("changes", [ALTERED, DROPPED], ids=["altered", "dropped"])
async def test_a_change_by_hand_is_told_as_drift(
    bare_server: TestServer, sample: SampleService, urls: Database, changes: dict[str, str]
) -> None:
    owner, _ = urls
    up = "\n    ".join(f'op.execute("{each}")' for each in OBJECTS)
    sample.add_revision("fourth", before="third", up=up, down="pass")
    add_concurrent_revision(sample, name="fifth", before="fourth")
    await migrate(sample.name, owner)
    assert all("differ from the models" in line for line in (await status_of(sample, owner))[2])
    connection = await bare_server.connect(owner.database)  # only the superuser may mark an index as invalid
    await connection.execute(f"SET allow_system_table_mods = on; SET ROLE {owner.user}")
    for change in changes:
        if "pg_index" in change:
            await connection.execute(f"RESET ROLE; {change}; SET ROLE {owner.user}")
        else:
            await connection.execute(change)
    await connection.close()
    told = [line for line in (await status_of(sample, owner))[2] if "models" not in line]
    assert sorted(told) == sorted(changes.values())


async def test_what_belongs_to_an_extension_is_no_drift(
    bare_server: TestServer, sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    await migrate(sample.name, owner)
    connection = await bare_server.connect(owner.database)
    await connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
    await connection.close()
    assert await status_of(sample, owner) == ("third", (), ())


async def test_two_heads_are_told_in_one_line(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    for name in ("left", "right"):
        sample.add_revision(name, before="third", up="pass", down="pass")
    await migrate(sample.name, owner, revision="third")
    status = await asyncio.to_thread(read_status, sample.name, owner, metadata=sample_metadata())
    assert (status.current, status.pending) == ("third", ())
    (line,) = status.drift
    assert re.fullmatch(r"the code has two heads: (left, right|right, left)", line)
    connection = await connect(owner)
    await connection.execute("UPDATE alembic_version SET version_num = 'left'")
    await connection.execute("INSERT INTO alembic_version VALUES ('right')")
    await connection.close()
    sample.add_revision("joined", before=("left", "right"), up="pass", down="pass")
    status = await asyncio.to_thread(read_status, sample.name, owner, metadata=sample_metadata())
    (line,) = status.drift
    assert re.fullmatch(r"the database has two heads: (left, right|right, left)", line)


async def test_what_the_models_lack_is_told_of_the_migrations(sample: SampleService, urls: Database) -> None:
    owner, _ = urls
    sample.add_revision(
        "fourth",
        before="third",
        up='op.add_column("things", sa.Column("more", sa.Text))',
        down='op.drop_column("things", "more")',
    )
    await migrate(sample.name, owner, revision="third")
    assert await status_of(sample, owner) == ("third", ("fourth",), ())
    await migrate(sample.name, owner)
    (line,) = (await status_of(sample, owner))[2]
    assert line.startswith("the migrations differ from the models: remove_column things")


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
    # Undoing what is not known is one.
    with pytest.raises(CommandError):
        await asyncio.to_thread(downgrade, sample.name, owner)


async def test_a_new_revision_holds_what_the_models_have_and_the_migrations_lack(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    (sample.versions / "third.py").unlink()
    await migrate(sample.name, owner)
    connection = await connect(owner)
    await connection.execute("DROP TABLE entries")  # by hand: not the migration's business
    path = await asyncio.to_thread(create_revision, sample.name, owner, message="the_size")
    assert path is not None
    assert (path.parent, path.name[-12:]) == (sample.versions, "_the_size.py")
    added = [line.strip() for line in path.read_text().splitlines() if "op." in line]
    assert added == [
        "op.add_column('things', sa.Column('size', sa.Integer(), nullable=True))",
        "op.drop_column('things', 'size')",
    ]
    assert "revision = 'the_size'\ndown_revision = 'second'" in path.read_text()
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "second"
    assert await tables(owner) == ["alembic_version", "things"]
    schemas = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'quartet%'")
    await connection.close()
    assert schemas == []
    again = await asyncio.to_thread(create_revision, sample.name, owner, message="again", writes_empty=False)
    assert again is None


async def test_revisions_are_known_in_their_order(sample: SampleService) -> None:
    assert known_revisions(sample.name) == ("first", "second", "third")
    assert pending_revisions(sample.name, None) == ("first", "second", "third")
    assert pending_revisions(sample.name, "second") == ("third",)
    assert pending_revisions(sample.name, "third") == ()
    assert pending_revisions(sample.name, "unknown") == ()


async def test_the_migrations_of_a_package_are_found_or_named_as_missing(
    sample: SampleService, tmp_path: Path
) -> None:
    assert migrations_folder(sample.name) == tmp_path / sample.name / "migrations"
    with pytest.raises(LookupError, match="is not installed"):
        migrations_folder("no_such_service")
    with pytest.raises(LookupError, match="no migrations of 'json'"):
        migrations_folder("json")


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
