"""`quartet doctor` finds each fault on a system that has it, and says what to do."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from quartet.backup.destination import open_destination
from quartet.backup.manifest import Manifest, write_manifest
from quartet.doctor.examination import CHECKS, examine
from quartet.postgres import find_binaries
from quartet.processes import run
from quartet.provision import provision
from quartet.settings import load_settings
from tests.ops.command import Workplace, workplace
from tests.ops.inspected import call, connected, settings_for
from tests.ops.places import SYSTEM_BINDIR, on_small_disk, open_folder
from tests.redis_server import running_redis
from tests.servers import TestServer, throw_away_server

pytestmark = pytest.mark.database

CONNECTIONS = 30


@pytest.fixture(scope="module")
def broken() -> Iterator[TestServer]:
    """A small server for this module, to break."""
    settings = {"max_connections": str(CONNECTIONS), "autovacuum_freeze_max_age": "100000"}
    with throw_away_server(settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def place(broken: TestServer) -> Iterator[Workplace]:
    with workplace(**settings_for(broken)) as made:
        yield made


@contextlib.asynccontextmanager
async def superuser(server: TestServer, database: str = "postgres") -> AsyncIterator[Any]:
    connection = await server.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def findings(place: Workplace, check: str, **told: str) -> list[tuple[str, str, str]]:
    """Severity, what and fix of each finding of one check; the exit code has to fit."""
    done = await call(place, "doctor", check, "--json", **told)
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["status"] == "fail" else 0)
    assert list(found["checks"]) == [check], found
    return [(each["severity"], each["what"], each["fix"]) for each in found["findings"]]


def test_a_server_that_was_never_started() -> None:
    with workplace() as empty:
        done = empty.call("doctor")
        assert (done.returncode, "no server was ever started" in done.stdout) == (1, True)
        assert "quartet up" in done.stdout


async def test_a_refused_connection(place: Workplace) -> None:
    done = await call(place, "doctor", "server", "slots", "--json", POSTGRES_PORT="1")
    found = json.loads(done.stdout)
    assert (done.returncode, found["checks"]) == (1, {"server": "fail", "slots": "skipped"})
    (only,) = found["findings"]
    assert "no PostgreSQL answers at 127.0.0.1:1" in only["what"]
    assert only["fix"].startswith("start it, or correct POSTGRES_HOST")
    assert await findings(place, "server") == []


async def test_a_wrong_password(place: Workplace) -> None:
    assert await findings(place, "logins") == []
    ((severity, what, fix),) = await findings(place, "logins", L2P_DB_PASSWORD="wrong")
    assert (severity, "refuses the password of l2p_user" in what) == ("failure", True)
    assert "L2P_DB_PASSWORD" in fix
    assert "quartet provision" in fix
    ((severity, what, fix),) = await findings(place, "server", POSTGRES_PASSWORD="wrong")
    assert (severity, "refuses the password of postgres" in what) == ("failure", True)
    assert "POSTGRES_PASSWORD" in fix


async def test_a_redis_that_is_refused_or_away(place: Workplace, tmp_path: Path) -> None:
    assert await findings(place, "redis") == []
    with running_redis(tmp_path) as server:
        assert await findings(place, "redis", REDIS_URL=server.url()) == []
        ((severity, refused, fix),) = await findings(place, "redis", REDIS_URL=server.url("not-this-one"))
    ((_, away, _),) = await findings(place, "redis", REDIS_URL=server.url())
    assert severity == "warning"
    assert "correct REDIS_URL" in fix
    assert "invalid username-password pair" in refused
    assert "not-this-one" not in refused
    assert f"connecting to 127.0.0.1:{server.port}" in away


async def test_a_missing_database(broken: TestServer, place: Workplace) -> None:
    async with superuser(broken) as admin:
        await admin.execute("DROP DATABASE videovault_db")
    try:
        ((severity, what, fix),) = await findings(place, "logins")
        assert (severity, what) == ("failure", 'database "videovault_db" does not exist')
        assert "quartet provision" in fix
        assert await findings(place, "sequences") == []
    finally:
        await provision(broken.admin, broken.plan)


async def test_a_role_that_may_not_log_in(broken: TestServer, place: Workplace) -> None:
    async with superuser(broken) as admin:
        await admin.execute("ALTER ROLE auth_owner NOLOGIN")
        try:
            ((severity, what, fix),) = await findings(place, "logins")
        finally:
            await admin.execute("ALTER ROLE auth_owner LOGIN")
    assert (severity, "does not let auth_owner into auth_db" in what) == ("failure", True)
    assert "quartet provision" in fix


async def test_too_many_connections_of_a_role(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "connections") == []
    async with superuser(broken) as admin, connected(broken):
        await admin.execute("ALTER ROLE l2p_user CONNECTION LIMIT 1")
        try:
            ((_, held, fix),) = await findings(place, "connections")
            ((severity, what, _),) = await findings(place, "logins")
        finally:
            await admin.execute("ALTER ROLE l2p_user CONNECTION LIMIT 60")
    assert held == "l2p_user holds 1 of its 1 connections"
    assert "DB_POOL_MAX" in fix
    assert (severity, "too many connections for" in what) == ("failure", True)


async def test_too_many_clients_of_the_server(broken: TestServer, place: Workplace) -> None:
    url = broken.url("auth")
    holding: list[Any] = []
    try:
        # A connection of the test before may still be closing: then this one is tried again.
        while len(holding) < CONNECTIONS - 3:
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                holding.append(await asyncpg.connect(**url.connect_arguments(application_name="a test")))
        found = await findings(place, "logins")
        (said,) = await findings(place, "connections")
    finally:
        for connection in holding:
            connection.terminate()
    assert {severity for severity, _, _ in found} == {"failure"}
    assert any("too many connections for payment_user" in what for _, what, _ in found), found
    assert all("max_connections" in fix for _, _, fix in found)
    assert said[1] == f"{CONNECTIONS - 3} of the server's {CONNECTIONS - 3} connections are taken"


async def test_slow_statements(broken: TestServer, place: Workplace) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connected(broken)) for _ in range(5)]
        await asyncio.gather(*(session.execute("SELECT pg_sleep(0.51)") for session in sessions))
    ((severity, what, fix),) = await findings(place, "statements")
    assert severity == "warning"
    assert what.startswith("l2p_user: 1 statements take more than 500 ms on average")
    assert "quartet db slow" in fix
    async with superuser(broken) as admin:
        await admin.execute("SELECT monitoring.pg_stat_statements_reset()")
        assert await findings(place, "statements") == []
        await admin.execute("DROP EXTENSION pg_stat_statements")
        ((severity, what, _),) = await findings(place, "statements")
    assert (severity, "not installed" in what) == ("warning", True)
    await provision(broken.admin, broken.plan)


async def test_pending_migrations(place: Workplace) -> None:
    found = await findings(place, "migrations")
    assert [severity for severity, _, _ in found] == ["failure"] * 4
    assert found[1][2] == "`quartet db migrate l2p`"


async def test_services_that_do_not_answer(place: Workplace) -> None:
    found = await findings(place, "services")
    assert [what.split(":")[0] for _, what, _ in found] == ["auth", "l2p", "payment", "videovault"]
    assert {severity for severity, _, _ in found} == {"failure"}


async def test_programs_of_another_version_than_the_server(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "versions", PG_BINDIR=str(find_binaries().bindir)) == []
    others = [SYSTEM_BINDIR, Path(find_binaries().bindir)]
    other = next(
        (each for each in others if each.is_dir() and find_binaries(each).major != broken.cluster.major), None
    )
    if other is None:
        pytest.skip("there is one version of PostgreSQL here")
    ((severity, what, fix),) = await findings(place, "versions", PG_BINDIR=str(other))
    assert (severity, "backups fail" in what, "PG_BINDIR" in fix) == ("warning", True, True)


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, []), (1, ["failure"]), (-1, ["failure"]), (0.001, ["warning"])]
)
async def test_a_clock_that_is_wrong(place: Workplace, hours: float, expected: list[str]) -> None:
    settings = load_settings(folder=place.folder, environ=place.told)
    found = await examine(settings, ["clock"], now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    assert [finding.severity for finding in found.findings["clock"] or []] == expected


async def test_pools_larger_than_the_limits(place: Workplace) -> None:
    found = await findings(place, "limits", QUARTET_REPLICAS="6")
    assert len(found) == 5
    assert found[0][1] == "auth_user may open 60 connections, and its pools want 72"
    assert f"takes {CONNECTIONS} connections" in found[4][1]
    assert "max_connections" in found[4][2]


async def test_sequences_near_their_end(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "sequences") == []
    async with connected(broken, role="owner") as owner:
        await owner.execute("CREATE SEQUENCE small AS smallint")
        try:
            await owner.execute("SELECT setval('small', 30000)")
            ((severity, what, fix),) = await findings(place, "sequences")
            assert (severity, what) == (
                "warning",
                "l2p_db: 92% of the numbers of the sequence public.small are used up",
            )
            assert "bigint" in fix
            await owner.execute("SELECT setval('small', 32767)")
            assert [severity for severity, _, _ in await findings(place, "sequences")] == ["failure"]
            await owner.execute("ALTER SEQUENCE small CYCLE")
            assert await findings(place, "sequences") == []
        finally:
            await owner.execute("DROP SEQUENCE small")


async def test_an_invalid_index(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "indexes") == []
    async with connected(broken, role="owner") as owner:
        await owner.execute("CREATE TABLE twice AS SELECT 1 AS id FROM generate_series(1, 2)")
        try:
            with pytest.raises(asyncpg.UniqueViolationError):
                await owner.execute("CREATE UNIQUE INDEX CONCURRENTLY once ON twice (id)")
            ((severity, what, fix),) = await findings(place, "indexes")
        finally:
            await owner.execute("DROP TABLE twice")
    assert (severity, "index once of twice is invalid" in what) == ("warning", True)
    assert fix.startswith('`DROP INDEX CONCURRENTLY public."once"`')


async def test_large_objects(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "large-objects") == []
    async with superuser(broken, "auth_db") as admin:
        number = await admin.fetchval("SELECT lo_create(0)")
        ((severity, what, fix),) = await findings(place, "large-objects")
        await admin.execute(f"SELECT lo_unlink({number})")
    assert (severity, what.startswith("auth_db: 1 large objects")) == ("failure", True)
    assert "lo_unlink" in fix


async def test_a_lost_slot(broken: TestServer, place: Workplace) -> None:
    async with superuser(broken) as admin:
        await admin.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
        try:
            assert await findings(place, "slots") == []
            await admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
            await admin.execute("SELECT pg_reload_conf()")
            for _ in range(4):
                await admin.execute("SELECT pg_logical_emit_message(false, 'a test', 'written')")
                await admin.execute("SELECT pg_switch_wal()")
            await admin.execute("CHECKPOINT")
            ((severity, what, fix),) = await findings(place, "slots")
        finally:
            await admin.execute("SELECT pg_drop_replication_slot('left_behind')")
            await admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            await admin.execute("SELECT pg_reload_conf()")
    assert (severity, "slot left_behind is lost" in what) == ("failure", True)
    assert "quartet backup wal" in fix


async def test_no_backup_and_a_stale_one(place: Workplace) -> None:
    found = await findings(place, "backups")
    assert [(severity, what) for severity, what, _ in found] == [
        ("warning", "there is no backup"),
        ("warning", "the WAL is not archived"),
    ]
    assert "quartet backup full" in found[0][2]
    with open_folder() as folder:
        told = {"BACKUP_DESTINATION": str(folder), "QUARTET_ENV": "production"}
        two_days_ago = datetime.now(UTC) - timedelta(days=2)
        stale = Manifest(
            id="20200101T000000Z",
            began_at=two_days_ago,
            ended_at=two_days_ago,
            server_version="18.0",
            server_major=18,
            system_identifier="1",
            parts=(),
        )
        write_manifest(open_destination(load_settings(folder=folder, environ=told)), stale)
        found = await findings(place, "backups", **told)
    assert [severity for severity, _, _ in found] == ["failure", "failure"]
    assert "the newest backup is 48 h old" in found[0][1]


def test_a_disk_that_fills_up(place: Workplace) -> None:
    with open_folder() as folder:
        told = place.environment | {"QUARTET_HOME": str(folder)}
        command = [
            *on_small_disk(folder, size="20m"),
            sys.executable,
            "-m",
            "quartet",
            "doctor",
            "disk",
            "--json",
        ]
        done = run(command, environment=told, folder=place.folder)
    found = json.loads(done.stdout)
    assert (done.returncode, found["checks"]) == (1, {"disk": "fail"})
    assert found["findings"][0]["what"].startswith(f"the disk of {folder} has ")
    assert "QUARTET_HOME" in found["findings"][0]["fix"]


@pytest.mark.long
async def test_transaction_ids_that_vacuum_does_not_get_at(broken: TestServer, place: Workplace) -> None:
    assert await findings(place, "wraparound") == []
    async with superuser(broken) as old, superuser(broken) as admin:
        await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await old.execute("SELECT pg_current_xact_id()")
        await admin.execute(
            "DO $$ BEGIN FOR number IN 1..160000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
        found = await findings(place, "wraparound")
    assert found
    assert {severity for severity, _, _ in found} == {"warning"}
    assert "vacuum does not get at it" in found[0][1]
    assert "VACUUM (FREEZE)" in found[0][2]


def test_a_check_that_is_not_there(place: Workplace) -> None:
    done = place.call("doctor", "humours")
    assert done.returncode == 13
    assert all(name in done.stderr for name in CHECKS)


async def test_a_person_reads_what_and_then_what_to_do(place: Workplace) -> None:
    done = await call(place, "doctor", "logins", "slots", AUTH_DB_PASSWORD="wrong")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("failure  logins: ")
    assert lines[1].startswith("         → check that AUTH_DB_PASSWORD")
    assert lines[2] == "1 checks passed, 0 with warnings, 1 failed"
