"""`quartet backup dump`, and a database brought back from what it wrote: the page's own three lines."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from quartet.postgres import Cluster
from quartet.processes import run
from quartet.provision.plan import SERVICES
from tests.ops.backup.commands import started
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, wait_until
from tests.ops.places import FAST, open_folder

pytestmark = pytest.mark.database

WAIT = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_on') LOOP PERFORM pg_sleep(0.05); END LOOP;
END $$;
"""
"""What sleeps until the test makes that role."""


@pytest.fixture(scope="module")
def l2p_sql(backed_up: Workplace) -> Path:
    """The plain SQL of Learn2Play's database."""
    return _dump(backed_up, "l2p")


@pytest.fixture
def without_l2p(filled: FilledServer, l2p_sql: Path) -> Iterator[None]:
    """The server without that database, which is there again afterwards."""
    filled.execute("postgres", "DROP DATABASE l2p_db")
    yield
    if "l2p_db" in filled.databases():
        filled.execute("postgres", "DROP DATABASE l2p_db")
    _restore_from(filled, l2p_sql)


def _dump(place: Workplace, what: str) -> Path:
    path = place.folder / f"{what}.sql"
    with path.open("wb") as output:
        assert _dump_into(output, place, what) == (0, "")
    return path


def _dump_into(output: IO[bytes], place: Workplace, what: str) -> tuple[int, str]:
    """The exit code, and what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "quartet", "backup", "dump", what],
        env=place.environment,
        cwd=place.folder,
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr.decode()


def _restore_from(filled: FilledServer, path: Path) -> None:
    place = Workplace(path.parent, {}, filled.told)
    done = place.call("restore", "--service", "l2p", "--from", str(path))
    assert done.returncode == 0, done.stderr


def test_a_dropped_database_comes_back_from_its_dump(
    filled: FilledServer, backed_up: Workplace, l2p_sql: Path
) -> None:
    before = filled.contents("l2p_db")
    filled.execute("postgres", "DROP DATABASE l2p_db")
    done = backed_up.call("restore", "--service", "l2p", "--from", "l2p.sql")
    assert (done.returncode, done.stdout) == (0, "l2p: restored into l2p_db\n"), done.stderr
    assert filled.contents("l2p_db") == before
    assert filled.fetch("l2p_db", "SELECT count(*) FROM lobbies", role="l2p_user") == [200]
    assert not filled.changeable("l2p", "l2p_db")["alembic_version"]
    assert backed_up.call("provision").stdout == "roles, databases and schema are as planned\n"


def test_a_dump_is_not_restored_onto_tables(
    filled: FilledServer, backed_up: Workplace, l2p_sql: Path
) -> None:
    filled.execute("l2p_db", "INSERT INTO users (username) VALUES ('since then')")
    before = filled.contents("l2p_db")
    done = backed_up.call("restore", "--service", "l2p", "--from", str(l2p_sql))
    assert (done.returncode, "l2p_db holds tables" in done.stderr) == (17, True)
    assert filled.contents("l2p_db") == before
    filled.execute("l2p_db", "DELETE FROM users WHERE username = 'since then'")


def test_a_dump_goes_into_a_new_database(filled: FilledServer, backed_up: Workplace, l2p_sql: Path) -> None:
    done = backed_up.call("restore", "--service", "l2p", "--from", str(l2p_sql), "--into", "l2p_copy")
    assert done.returncode == 0, done.stderr
    assert filled.contents("l2p_copy") == filled.contents("l2p_db")
    filled.execute("postgres", "DROP DATABASE l2p_copy")


@pytest.mark.usefixtures("without_l2p")
@pytest.mark.long
def test_of_a_dump_that_fails_half_way_nothing_stays(
    filled: FilledServer, backed_up: Workplace, l2p_sql: Path
) -> None:
    text = l2p_sql.read_text()
    half = text.index("\n", len(text) // 2) + 1
    broken = l2p_sql.with_name("broken.sql")
    broken.write_text(text[:half] + "this is no row and no statement\n" + text[half:])
    done = backed_up.call("restore", "--service", "l2p", "--from", str(broken))
    assert (done.returncode, len(done.stderr.splitlines())) == (14, 1)
    assert "psql failed" in done.stderr
    assert "l2p_db" not in filled.databases()
    filled.execute("postgres", "CREATE DATABASE l2p_db TEMPLATE template0")
    assert backed_up.call("restore", "--service", "l2p", "--from", str(broken)).returncode == 14
    assert filled.contents("l2p_db") == {}


@pytest.mark.usefixtures("without_l2p")
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
@pytest.mark.long
def test_a_dump_without_its_end_is_damaged(
    filled: FilledServer, backed_up: Workplace, l2p_sql: Path, kept: float
) -> None:
    content = l2p_sql.read_bytes()
    cut = l2p_sql.with_name("cut.sql")
    cut.write_bytes(content[: int(len(content) * kept)])
    done = backed_up.call("restore", "--service", "l2p", "--from", str(cut))
    assert (done.returncode, len(done.stderr.splitlines())) == (15, 1)
    assert f"{cut} does not end as the dump of a database does" in done.stderr
    assert "l2p_db" not in filled.databases()


@pytest.mark.usefixtures("without_l2p")
@pytest.mark.long
def test_a_killed_restore_leaves_no_table(filled: FilledServer, backed_up: Workplace, l2p_sql: Path) -> None:
    text = l2p_sql.read_text()
    middle = text.index("\n-- Data for")
    waiting = l2p_sql.with_name("waiting.sql")
    emptiness = "\n" * 1_000_000  # more than a pipe holds: the input ends within it
    waiting.write_text(f"{text[:middle]}\n{WAIT}{emptiness}{text[middle:]}")
    programs = "SELECT pid FROM pg_stat_activity WHERE datname = 'l2p_db'"
    with started(backed_up, "restore", "--service", "l2p", "--from", str(waiting)) as command:
        wait_until(lambda: filled.fetch("postgres", f"{programs} AND query ~ 'go_on'"))
        command.process.kill()
        command.process.wait()
    filled.execute("postgres", "CREATE ROLE go_on")
    wait_until(lambda: not filled.fetch("postgres", programs))  # psql met the end of its input
    filled.execute("postgres", "DROP ROLE go_on")
    assert filled.contents("l2p_db") == {}


def test_what_is_no_file_is_not_found(backed_up: Workplace) -> None:
    for name in ("none.sql", "."):
        done = backed_up.call("restore", "--service", "l2p", "--from", name, "--into", "x")
        assert (done.returncode, "name a file that `quartet backup dump` wrote" in done.stderr) == (13, True)


def test_a_dump_wants_one_service_or_all(backed_up: Workplace) -> None:
    for arguments in ([], ["l2p", "--all"], ["chess"]):
        assert backed_up.call("backup", "dump", *arguments).returncode == 2


def test_a_dump_whose_reader_ends_early_fails(backed_up: Workplace) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        assert _dump_into(output, backed_up, "auth") == (
            14,
            "quartet: who reads the dump ended before it did: what was written is not whole\n",
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_dump_onto_a_full_disk_fails(backed_up: Workplace) -> None:
    with Path("/dev/full").open("wb") as output:
        code, told = _dump_into(output, backed_up, "auth")
    assert (code, len(told.splitlines())) == (8, 1), told


@pytest.mark.long
def test_a_dump_of_everything_fills_an_empty_server(filled: FilledServer, backed_up: Workplace) -> None:
    path = _dump(backed_up, "--all")
    with open_folder() as folder:
        cluster = Cluster(
            folder / "cluster", max_connections=filled.provisioned.cluster.max_connections, settings=FAST
        )
        # The dump sets the superuser's password, and psql connects to one database after the other.
        cluster.initialise(superuser_password=filled.provisioned.password)
        cluster.start()
        try:
            done = run(
                [cluster.binaries.program("psql"), "--no-psqlrc", "--quiet", f"--file={path}", "postgres"],
                environment={
                    "PGHOST": "127.0.0.1",
                    "PGPORT": str(cluster.port),
                    "PGUSER": "postgres",
                    "PGPASSWORD": filled.provisioned.password,
                },
            )
            assert done.returncode == 0, done.stderr
            told = [line.split("ERROR:")[1].strip() for line in done.stderr.splitlines()]
            assert told == ['role "postgres" already exists']
            loaded = FilledServer(replace(filled.provisioned, cluster=cluster))
            for service in SERVICES:
                assert loaded.contents(f"{service}_db") == filled.contents(f"{service}_db")
            assert loaded.fetch("l2p_db", "SELECT count(*) FROM lobbies", role="l2p_user") == [200]
        finally:
            cluster.stop("immediate")
