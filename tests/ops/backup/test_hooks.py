"""The hook of a service after a restore: one that fails is told and run again, one that is killed too, none is said."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import l2p
from tests.ops.backup.commands import started
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, wait_until, workplace

pytestmark = [pytest.mark.database, pytest.mark.long]

HOOK = '''
"""Planted."""


async def after_restore(restored, previous):
    """Leave a trace, and fail unless the database was mended."""
    await restored.execute("INSERT INTO lobbies (name) VALUES ('made safe')")
    await restored.execute("SELECT 1 / (SELECT count(*) FROM lobbies WHERE name = 'mended')")
    return ["a trace was left", "with" if previous else "without"]
'''
FAILED = r"is kept, but l2p could not make it safe to use \(division by zero\): mend that, then `(.*)`$"
OPEN = "SELECT datallowconn AND datconnlimit = -1 FROM pg_database WHERE datname = 'auth_db'"
WAIT = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_on') LOOP PERFORM pg_sleep(0.05); END LOOP;
    RETURN NULL;
END $$
"""
AT_WORK = (
    "SELECT pid FROM pg_stat_activity WHERE datname ~ '^auth_db_restored_' AND query ~ '^UPDATE sessions'"
)


@pytest.fixture(scope="module")
def dumps(filled: FilledServer) -> Iterator[Workplace]:
    """A folder with databases as plain SQL, and Auth's among them, of which ending its sessions takes for ever."""
    with workplace(**filled.told) as place:
        filled.execute(
            "auth_db",
            WAIT,
            "CREATE TRIGGER wait AFTER UPDATE ON sessions EXECUTE FUNCTION wait()",
        )
        for service in ("l2p", "auth", "payment"):
            dumped = place.quartet("backup", "dump", service).stdout
            (place.folder / f"{service}.sql").write_text(dumped)
        filled.execute("auth_db", "DROP FUNCTION wait CASCADE")
        yield place


MEND = "INSERT INTO lobbies (name) VALUES ('mended')"


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Learn2Play has one that fails, until one of its lobbies is called `mended`."""
    (tmp_path / "after_restore.py").write_text(HOOK)
    # Its real one never fails.
    monkeypatch.setattr(l2p, "__path__", [str(tmp_path), *l2p.__path__])
    sys.modules.pop("l2p.after_restore", None)
    yield
    del sys.modules["l2p.after_restore"]


def databases_of(filled: FilledServer, prefix: str) -> list[str]:
    """The names of databases that begin so."""
    return sorted(name for name in filled.databases() if name.startswith(prefix))


def fail(place: Workplace, *arguments: str) -> list[str]:
    """The arguments by which a restore goes on whose hook failed, as it tells them."""
    done = place.call("restore", "--service", "l2p", *arguments)
    assert (done.returncode, done.stdout) == (14, "")
    found = re.search(FAILED, done.stderr.strip())
    assert found, done.stderr
    assert found[1].startswith("quartet ")
    return found[1].split()[1:]


@pytest.mark.usefixtures("hook")
def test_a_hook_that_fails_changes_nothing_and_is_run_again(filled: FilledServer, dumps: Workplace) -> None:
    before = filled.contents("l2p_db")
    again = fail(dumps, "--from", "l2p.sql", "--into", "beside")
    assert again == ["restore", "--service", "l2p", "--finish", "beside"]
    assert filled.contents("beside") == before
    filled.execute("beside", MEND)
    done = dumps.call(*again)
    assert (done.returncode, done.stdout) == (0, "l2p: restored into beside\n"), done.stderr
    assert done.stderr == "l2p: a trace was left\nl2p: without\n"
    assert len(filled.contents("beside")["lobbies"]) == len(before["lobbies"]) + 2
    filled.execute("postgres", "DROP DATABASE beside")


@pytest.mark.usefixtures("hook")
def test_a_hook_that_fails_keeps_a_database_from_its_place(filled: FilledServer, dumps: Workplace) -> None:
    before = filled.contents("l2p_db")
    again = fail(dumps, "--from", "l2p.sql", "--swap")
    [restored] = databases_of(filled, "l2p_db_restored_")
    assert again == ["restore", "--service", "l2p", "--finish", restored, "--swap"]
    assert (filled.contents("l2p_db"), filled.contents(restored)) == (before, before)
    assert filled.fetch("l2p_db", "SELECT count(*) FROM users", role="l2p_user") == [200]
    filled.execute(restored, MEND)
    done = dumps.call(*again)
    assert done.stderr == "l2p: a trace was left\nl2p: with\n"
    assert len(filled.contents("l2p_db")["lobbies"]) == len(before["lobbies"]) + 2
    # What is put back is made safe too; as long as it is not, it stays as closed as it was.
    [previous] = databases_of(filled, "l2p_db_before_")
    assert fail(dumps, "--undo")[-2:] == [previous, "--swap"]
    assert filled.fetch("postgres", "SELECT datallowconn FROM pg_database WHERE datname = $1", previous) == [
        False
    ]
    filled.execute("postgres", f'ALTER DATABASE "{previous}" ALLOW_CONNECTIONS true')
    filled.execute(previous, MEND)
    assert dumps.call("restore", "--service", "l2p", "--undo").returncode == 0
    filled.execute("l2p_db", "DELETE FROM lobbies WHERE name IN ('mended', 'made safe')")
    assert filled.contents("l2p_db") == before
    assert dumps.call("restore", "--service", "l2p", "--forget").returncode == 0


def test_a_service_without_a_hook_is_named(
    filled: FilledServer, dumps: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None is how Python says that a module is not there.
    monkeypatch.setitem(sys.modules, "payment.after_restore", None)
    done = dumps.call("restore", "--service", "payment", "--from", "payment.sql", "--into", "beside")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "payment: no payment.after_restore: what is in the database was left as it was then"
    )
    filled.execute("postgres", "DROP DATABASE beside")


def test_there_is_nothing_to_finish_of_a_name_that_is_not_there_or_in_its_place(dumps: Workplace) -> None:
    for arguments, exit_code, told in (
        (("--finish", "nowhere"), 13, "there is no database nowhere"),
        (("--finish", "payment_db", "--swap"), 2, "payment_db is in the place of a service already"),
        (("--finish", "x", "--from", "l2p.sql"), 2, "leave --at and --from out"),
        (("--finish", "x", "--into", "y"), 2, "exclude each other"),
    ):
        done = dumps.call("restore", "--service", "l2p", *arguments)
        assert (done.returncode, told in done.stderr) == (exit_code, True), done.stderr


def kill_in_the_hook(filled: FilledServer, dumps: Workplace) -> str:
    """Kill a swap of Auth while its hook runs; the name of the database that was to take the place."""
    with started(dumps, "restore", "--service", "auth", "--from", "auth.sql", "--swap") as command:

        def is_at_work() -> bool:
            assert command.process.poll() is None, command.output
            return bool(filled.fetch("postgres", AT_WORK))

        wait_until(is_at_work)
        command.process.kill()
        command.process.wait()
    for pid in filled.fetch("postgres", AT_WORK):
        filled.fetch("postgres", "SELECT pg_terminate_backend($1, 10000)", pid)
    [left] = databases_of(filled, "auth_db_restored_")
    assert filled.fetch("postgres", OPEN) == [False]
    return left


def test_killed_in_the_hook_an_undo_lets_the_service_in_again_and_says_so(
    filled: FilledServer, dumps: Workplace
) -> None:
    before = filled.contents("auth_db")
    left = kill_in_the_hook(filled, dumps)
    done = dumps.call("restore", "--service", "auth", "--undo")
    assert done.returncode == 13
    assert "auth_db is in its place; it was closed, and is open again" in done.stderr
    assert filled.fetch("auth_db", "SELECT count(*) FROM users", role="auth_user") == [300]
    assert filled.contents("auth_db") == before
    assert dumps.call("restore", "--service", "auth", "--forget").stdout == f"auth: {left} dropped\n"


def test_killed_in_the_hook_it_goes_on_where_it_ended(filled: FilledServer, dumps: Workplace) -> None:
    before = filled.contents("auth_db")
    left = kill_in_the_hook(filled, dumps)
    filled.execute("postgres", "ALTER DATABASE auth_db ALLOW_CONNECTIONS false")  # as the step after it does
    filled.execute("postgres", "CREATE ROLE go_on")
    done = dumps.call("restore", "--service", "auth", "--finish", left, "--swap")
    filled.execute("postgres", "DROP ROLE go_on")
    assert done.returncode == 0, done.stderr
    assert "auth: 300 sessions ended" in done.stderr.splitlines()
    assert filled.fetch("postgres", OPEN) == [True]
    assert dumps.call("restore", "--service", "auth", "--undo").returncode == 0
    assert dumps.call("restore", "--service", "auth", "--forget").returncode == 0
    # The one that was put back had its sessions ended too.
    assert filled.fetch("auth_db", "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [0]
    filled.execute(
        "auth_db", "UPDATE sessions SET ended_at = NULL, end_reason = NULL", "DELETE FROM revocations"
    )
    assert filled.contents("auth_db") == before
