"""`quartet db connections`, `sizes` and `locks` show what is really there."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from quartet.inspection.locks import LockedSession, order_as_tree
from quartet.inspection.server import one_line
from tests.ops.command import Workplace, workplace
from tests.ops.inspected import call, connected, settings_for
from tests.servers import TestServer


@pytest.fixture(scope="module")
def place(bare_server: TestServer) -> Iterator[Workplace]:
    with workplace(**settings_for(bare_server)) as made:
        yield made


@pytest.fixture
async def table(bare_server: TestServer) -> AsyncIterator[str]:
    """A table of l2p's owner that l2p's runtime role may write, with two rows."""
    async with connected(bare_server, role="owner") as owner:
        await owner.execute("CREATE TABLE watched (id int PRIMARY KEY, name text, email text)")
        await owner.execute("INSERT INTO watched VALUES (1, 'a', 'same'), (2, 'b', 'same')")
        await owner.execute("SELECT pg_stat_force_next_flush()")
        yield "watched"
        await owner.execute("DROP TABLE watched")


async def test_connections_are_counted_by_role_and_state(bare_server: TestServer, place: Workplace) -> None:
    async with connected(bare_server) as busy, connected(bare_server):
        await busy.execute("BEGIN")
        found = await _until_counted(place, {"l2p_user": 2, "backup_user": 0})
        shown = await call(place, "db", "connections")
    roles = {each["role"]: each for each in found["roles"]}
    user = roles["l2p_user"]
    assert (user["service"], user["limit"], user["total"]) == ("l2p", 60, 2)
    assert (user["active"], user["idle"], user["idle_in_transaction"]) == (0, 1, 1)
    assert 0 <= user["longest_transaction_seconds"] < 60
    assert (found["max_connections"], found["reserved_connections"]) == (300, 3)
    assert found["total"] == sum(each["total"] for each in found["roles"])
    assert "2 of 60" in shown.stdout


async def test_sizes_tell_of_rows_and_of_useless_and_broken_indexes(
    bare_server: TestServer, place: Workplace, table: str
) -> None:
    async with connected(bare_server, role="owner") as owner:
        for statement in (
            f"CREATE INDEX by_name ON {table} (name)",
            f"CREATE INDEX by_name_again ON {table} (name)",
            f"CREATE INDEX by_some_names ON {table} (name) WHERE id > 1",
            f"CREATE INDEX like_the_key ON {table} (id)",
        ):
            await owner.execute(statement)
        with pytest.raises(asyncpg.UniqueViolationError):
            await owner.execute(f"CREATE UNIQUE INDEX CONCURRENTLY by_email ON {table} (email)")
    found = json.loads((await call(place, "db", "sizes", "l2p", "--json")).stdout)
    inside = found["services"]["l2p"]
    faults = {
        each["name"]: (each["fault"], each["same_as"]) for each in inside["indexes"] if each["table"] == table
    }
    assert faults == {
        "watched_pkey": (None, None),
        "by_name": ("unused", None),
        "by_name_again": ("duplicate", "by_name"),
        "by_some_names": ("unused", None),
        "like_the_key": ("duplicate", "watched_pkey"),
        "by_email": ("invalid", None),
    }
    (only,) = [each for each in inside["tables"] if each["name"] == table]
    assert (only["schema"], only["rows"], only["dead_rows"], only["last_autovacuum"]) == (
        "public",
        2,
        0,
        None,
    )
    assert only["total_bytes"] == only["table_bytes"] + only["index_bytes"]
    assert {"auth_db", "l2p_db", "payment_db", "videovault_db", "postgres"} <= {
        each["name"] for each in found["databases"]
    }
    overview = (await call(place, "db", "sizes")).stdout
    assert "duplicate of watched_pkey" in overview
    assert "TABLE OF" not in overview
    assert "by_some_names" not in overview
    assert "small indexes are unused so far" in overview
    shown = (await call(place, "db", "sizes", "l2p")).stdout
    assert "LAST AUTOVACUUM" in shown
    assert "unused since" in shown


async def test_a_service_whose_database_is_elsewhere_has_no_sizes_here(place: Workplace) -> None:
    told = {"L2P_DATABASE_URL": "postgresql://l2p_user:x@db.example/l2p_db"}
    assert (await call(place, "db", "sizes", "l2p", **told)).returncode == 13
    assert "TABLE" in (await call(place, "db", "sizes", "auth", **told)).stdout


async def test_locks_show_the_root_first_and_kill_frees_those_that_wait(
    bare_server: TestServer, place: Workplace, table: str
) -> None:
    async with (
        connected(bare_server) as root,
        connected(bare_server) as second,
        connected(bare_server) as third,
    ):
        await root.execute("BEGIN")
        await root.execute("UPDATE watched SET name = 'root' WHERE id = 1")
        await second.execute("BEGIN")
        await second.execute("UPDATE watched SET name = 'second' WHERE id = 2")
        waits = asyncio.create_task(second.execute("UPDATE watched SET name = 'second' WHERE id = 1"))
        pids = [each.get_server_pid() for each in (root, second, third)]
        await _until_locked(place, pids[:2])
        waits_too = asyncio.create_task(third.execute("UPDATE watched SET name = 'third' WHERE id = 2"))
        tree = await _until_locked(place, pids)
        assert [each["depth"] for each in tree] == [0, 1, 2]
        assert [each["blocked_by"] for each in tree] == [[], pids[:1], pids[1:2]]
        assert (tree[0]["role"], tree[0]["state"], tree[0]["wanted"]) == (
            "l2p_user",
            "idle in transaction",
            None,
        )
        assert tree[1]["wanted"] == "a row that another transaction changed"
        assert tree[0]["statement"] == "UPDATE watched SET name = 'root' WHERE id = 1"
        assert str(pids[0]) in (await call(place, "db", "locks")).stdout

        killed = await call(place, "db", "locks", "--kill", str(pids[1]))
        assert (killed.returncode, killed.stdout) == (0, f"process {pids[1]}: cancelled\n")
        with pytest.raises(asyncpg.QueryCanceledError):
            await waits
        await waits_too

        # The cancelled one's transaction is over only once its client ends it: a root that is idle is terminated.
        killed = await call(place, "db", "locks", "--kill", str(pids[0]), "--json")
        assert json.loads(killed.stdout) == {"pid": pids[0], "ending": "terminated"}
        assert await third.fetchval("SELECT name FROM watched WHERE id = 1") == "a"


async def test_sessions_of_the_superuser_and_of_backups_are_ended_only_by_force(
    bare_server: TestServer, place: Workplace
) -> None:
    backup = await asyncpg.connect(
        host="127.0.0.1",
        port=bare_server.cluster.port,
        user="backup_user",
        password=bare_server.plan.backup_password,
        database="l2p_db",
    )
    superuser = await bare_server.connect()
    try:
        for connection, says in ((backup, "makes a backup"), (superuser, "is the superuser's")):
            pid = str(connection.get_server_pid())
            done = await call(place, "db", "locks", "--kill", pid)
            assert (done.returncode, says in done.stderr) == (17, True), done.stderr
            assert await connection.fetchval("SELECT 1") == 1
        forced = await call(place, "db", "locks", "--kill", pid, "--force")
        assert forced.stdout == f"process {pid}: terminated\n"
        gone = await call(place, "db", "locks", "--kill", pid)
        assert (gone.returncode, "has no process" in gone.stderr) == (13, True)
    finally:
        backup.terminate()
        superuser.terminate()


def test_sessions_that_wait_in_a_circle_are_shown_once() -> None:
    circle = [_session(1, blocked_by=(2,)), _session(2, blocked_by=(1,)), _session(3, blocked_by=(1, 2))]
    assert [(depth, each.pid) for depth, each in order_as_tree(circle)] == [(0, 1), (1, 2), (2, 3)]


def test_a_statement_that_sets_a_password_is_cut() -> None:
    assert one_line("ALTER ROLE a\n  PASSWORD 'secret'") == "ALTER ROLE a …"
    assert one_line("SELECT password FROM x") == "SELECT password FROM x"
    assert len(one_line("SELECT " + "x" * 500)) == 200


async def test_nothing_to_look_at_is_told_in_a_line(place: Workplace) -> None:
    assert (await call(place, "db", "locks")).stdout == "no session waits for another\n"
    wrong = await call(place, "db", "connections", POSTGRES_PASSWORD="wrong")
    assert (wrong.returncode, "refuses the password of postgres" in wrong.stderr) == (6, True)
    absent = await call(place, "db", "connections", POSTGRES_PORT="1")
    assert absent.returncode == 10


def _session(pid: int, *, blocked_by: tuple[int, ...]) -> LockedSession:
    return LockedSession(
        pid=pid,
        role="",
        application="",
        database="",
        state="active",
        transaction_seconds=None,
        state_seconds=None,
        blocked_by=blocked_by,
        wanted=None,
        statement="",
    )


async def _until_counted(place: Workplace, totals: dict[str, int]) -> dict[str, Any]:
    """What `connections --json` prints once those that other tests closed are gone."""
    async with asyncio.timeout(30):
        while True:
            found: dict[str, Any] = json.loads((await call(place, "db", "connections", "--json")).stdout)
            counted = {each["role"]: each["total"] for each in found["roles"]}
            if totals.items() <= counted.items():
                return found


async def _until_locked(place: Workplace, pids: list[int]) -> list[dict[str, object]]:
    """What `locks --json` prints once the chain consists of these."""
    async with asyncio.timeout(30):
        while True:
            found: list[dict[str, object]] = json.loads((await call(place, "db", "locks", "--json")).stdout)
            if [each["pid"] for each in found] == pids:
                return found
