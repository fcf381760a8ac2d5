"""A restored database takes the place of its service's own, under load; put back, forgotten, and killed half-way."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator

import asyncpg
import pytest

from quartet.provision.plan import SERVICES
from tests.ops.backup.clients import CLIENTS, Clients
from tests.ops.backup.commands import StartedCommand, started
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, wait_until

pytestmark = [pytest.mark.database, pytest.mark.long]

AS_PLANNED = "roles, databases and schema are as planned\n"
NEW_USER = "INSERT INTO users (username) VALUES ('since the backup')"


def kept_names(filled: FilledServer, database: str = "l2p_db") -> list[str]:
    """The databases that are neither a service's nor PostgreSQL's, but of that one."""
    return sorted(name for name in filled.databases() if name.startswith(f"{database}_"))


def assert_usable(filled: FilledServer, place: Workplace, service: str) -> None:
    """A service's database is as planned, after at most one call of `provision`."""
    done = place.call("provision")
    assert done.returncode == 0, done.stderr
    assert place.call("provision").stdout == AS_PLANNED
    assert filled.fetch(f"{service}_db", "SELECT count(*) FROM users", role=f"{service}_user") != [0]


@pytest.fixture
def changed(filled: FilledServer, backed_up: Workplace) -> Iterator[dict[str, list[str]]]:
    """What Learn2Play's database has since the backup; afterwards it is as in the backup again."""
    assert kept_names(filled) == []
    as_in_backup = filled.contents("l2p_db")
    filled.execute("l2p_db", NEW_USER)
    yield filled.contents("l2p_db")
    if filled.contents("l2p_db") != as_in_backup:
        assert backed_up.call("restore", "--service", "l2p", "--swap").returncode == 0
    if kept_names(filled):
        assert backed_up.call("restore", "--service", "l2p", "--forget").returncode == 0
    assert filled.contents("l2p_db") == as_in_backup


@contextlib.contextmanager
def connections_of_others(filled: FilledServer) -> Iterator[None]:
    """Of each other service, a connection that lives through the block."""
    others = [service for service in SERVICES if service != "l2p"]
    with asyncio.Runner() as runner:
        opened = [runner.run(filled.provisioned.open(f"{name}_user", f"{name}_db")) for name in others]
        pids = [each.get_server_pid() for each in opened]
        yield
        assert [runner.run(each.fetchval("SELECT pg_backend_pid()")) for each in opened] == pids
        for each in opened:
            runner.run(each.close())


def swap_and_undo(
    filled: FilledServer, place: Workplace, changed: dict[str, list[str]], *, undos: int
) -> Clients:
    """A swap, and then so many times the other one put back, while clients reconnect; what those saw."""
    clients = Clients(filled.provisioned, "l2p_user", "l2p_db")
    rights = filled.changeable("l2p", "l2p_db")
    with connections_of_others(filled), clients.running():
        done = place.call("restore", "--service", "l2p", "--swap")
        assert done.returncode == 0, done.stderr
        [kept] = re.findall(
            r"^l2p: restored; the database of before is (l2p_db_before_\d{8}T\d{6}Z) \(--undo, --forget\)$",
            done.stdout,
        )
        restored = filled.contents("l2p_db")
        assert len(restored["users"]) == len(changed["users"]) - 1
        for number in range(undos):
            clients.wait_for_answers()
            undone = place.call("restore", "--service", "l2p", "--undo")
            assert undone.returncode == 0, undone.stderr
            assert undone.stdout.startswith(f"l2p: {kept} is in its place again; the one that was there is ")
            [kept] = kept_names(filled)
            assert filled.contents("l2p_db") == (restored if number % 2 else changed)
            assert filled.changeable("l2p", "l2p_db") == rights
            if number < 2:
                assert place.call("provision").stdout == AS_PLANNED
        clients.wait_for_answers()
    return clients


def test_databases_are_swapped_under_clients_that_reconnect(
    filled: FilledServer, backed_up: Workplace, changed: dict[str, list[str]]
) -> None:
    clients = swap_and_undo(filled, backed_up, changed, undos=2)
    assert len(clients.connections) == CLIENTS
    assert min(clients.connections) >= 4  # the first, and one after each swap
    forgotten = backed_up.call("restore", "--service", "l2p", "--forget")
    assert (forgotten.returncode, kept_names(filled)) == (0, [])
    assert re.fullmatch(r"l2p: l2p_db_before_\d{8}T\d{6}Z dropped\n", forgotten.stdout)


def test_no_client_waits_longer_than_two_seconds(
    filled: FilledServer, backed_up: Workplace, changed: dict[str, list[str]]
) -> None:
    clients = swap_and_undo(filled, backed_up, changed, undos=19)
    assert max(clients.gaps) < 2


def test_without_a_swap_there_is_nothing_to_put_back_or_forget(
    filled: FilledServer, backed_up: Workplace
) -> None:
    before = filled.databases()
    for option in ("--undo", "--forget"):
        done = backed_up.call("restore", "--service", "l2p", option)
        assert (done.returncode, "there is no" in done.stderr) == (13, True), done.stderr
    assert filled.databases() == before


def test_a_database_that_is_gone_has_no_place_to_take(filled: FilledServer, backed_up: Workplace) -> None:
    filled.execute("postgres", "ALTER DATABASE l2p_db RENAME TO away")
    try:
        done = backed_up.call("restore", "--service", "l2p", "--swap")
        assert (done.returncode, "leave --swap out" in done.stderr) == (13, True), done.stderr
    finally:
        filled.execute("postgres", "ALTER DATABASE away RENAME TO l2p_db")
    assert kept_names(filled) == []


def test_nobody_uses_a_database_that_is_kept(
    filled: FilledServer, backed_up: Workplace, changed: dict[str, list[str]]
) -> None:
    assert backed_up.call("restore", "--service", "l2p", "--swap").returncode == 0
    [kept] = kept_names(filled)
    with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
        filled.fetch(kept, "SELECT 1")


@contextlib.contextmanager
def catalogue_locked(filled: FilledServer, table: str) -> Iterator[None]:
    """Nobody writes a catalogue of the whole server during the block."""
    with asyncio.Runner() as runner:
        connection = runner.run(filled.provisioned.open("postgres", "postgres"))
        runner.run(connection.execute("BEGIN"))
        runner.run(connection.execute(f"LOCK TABLE pg_catalog.{table} IN SHARE MODE"))
        try:
            yield
        finally:
            runner.run(connection.close())


@contextlib.contextmanager
def frozen_session(filled: FilledServer, database: str) -> Iterator[None]:
    """A session that does not end when it is told to, for the length of the block."""
    with asyncio.Runner() as runner:
        connection = runner.run(filled.provisioned.open("postgres", database))
        pid = connection.get_server_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
            wait_until(
                lambda: filled.fetch("postgres", "SELECT pid FROM pg_stat_activity WHERE pid = $1", pid) == []
            )
            connection.terminate()


def waiting_for(filled: FilledServer, statement: str, event: str) -> list[int]:
    """The server processes of the command that wait in a statement."""
    return filled.fetch(
        "postgres",
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'quartet provision' AND query ~ $1"
        " AND wait_event = $2",
        statement,
        event,
    )


def kill_while_it_waits(filled: FilledServer, command: StartedCommand, statement: str, event: str) -> None:
    """End a command and its server process when that waits in a statement."""

    def waits() -> bool:
        assert command.process.poll() is None, command.output
        return bool(waiting_for(filled, statement, event))

    wait_until(waits)
    command.process.kill()
    command.process.wait()
    for pid in waiting_for(filled, statement, event):
        filled.fetch("postgres", "SELECT pg_terminate_backend($1, 10000)", pid)


@contextlib.contextmanager
def at_the_end_of_connections(filled: FilledServer, place: Workplace) -> Iterator[None]:
    with frozen_session(filled, "l2p_db"), started(place, "restore", "--service", "l2p", "--undo") as command:
        kill_while_it_waits(filled, command, "pg_terminate_backend", "BackendTermination")
        yield


@contextlib.contextmanager
def at_the_first_step(filled: FilledServer, place: Workplace) -> Iterator[None]:
    with (
        catalogue_locked(filled, "pg_database"),
        started(place, "restore", "--service", "l2p", "--undo") as command,
    ):
        kill_while_it_waits(filled, command, "CONNECTION LIMIT 0", "relation")
        yield


@contextlib.contextmanager
def at_the_renaming(filled: FilledServer, place: Workplace) -> Iterator[None]:
    with (
        catalogue_locked(filled, "pg_db_role_setting"),
        started(place, "restore", "--service", "l2p", "--undo") as command,
    ):
        kill_while_it_waits(filled, command, "IN DATABASE", "relation")
        yield


@contextlib.contextmanager
def after_the_renaming(filled: FilledServer, place: Workplace) -> Iterator[None]:
    """The lock of the next step is asked for while the renaming waits, and had once that is committed."""
    with asyncio.Runner() as runner, started(place, "restore", "--service", "l2p", "--undo") as command:
        with catalogue_locked(filled, "pg_db_role_setting"):
            wait_until(lambda: waiting_for(filled, "IN DATABASE", "relation"))
            connection = runner.run(filled.provisioned.open("postgres", "postgres"))
            runner.run(connection.execute("BEGIN"))
            locked = runner.get_loop().create_task(
                connection.execute("LOCK TABLE pg_catalog.pg_database IN SHARE MODE")
            )
            runner.run(asyncio.sleep(0))  # it is sent
            wait_until(
                lambda: filled.fetch(
                    "postgres",
                    "SELECT pid FROM pg_stat_activity WHERE query ~ '^LOCK' AND wait_event = 'relation'",
                )
            )
        runner.run(asyncio.wait_for(locked, 30))
        kill_while_it_waits(filled, command, "ALLOW_CONNECTIONS true", "relation")
        runner.run(connection.close())
        yield


STEPS = {
    "first step": at_the_first_step,
    "end of connections": at_the_end_of_connections,
    "renaming": at_the_renaming,
    "after the renaming": after_the_renaming,
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_no_row_is_lost_and_provision_opens_the_database(
    filled: FilledServer, backed_up: Workplace, changed: dict[str, list[str]], step: str
) -> None:
    assert backed_up.call("restore", "--service", "l2p", "--swap").returncode == 0
    restored = filled.contents("l2p_db")
    with STEPS[step](filled, backed_up):
        pass
    assert_usable(filled, backed_up, "l2p")
    is_swapped = step == "after the renaming"
    assert filled.contents("l2p_db") == (changed if is_swapped else restored)
    # The other one is still there, whichever it is.
    assert backed_up.call("restore", "--service", "l2p", "--undo").returncode == 0
    assert filled.contents("l2p_db") == (restored if is_swapped else changed)
    assert backed_up.call("provision").stdout == AS_PLANNED


def test_what_a_restore_that_was_killed_left_is_forgotten(filled: FilledServer, backed_up: Workplace) -> None:
    with (
        filled.locked("l2p", "users"),
        started(backed_up, "restore", "--service", "l2p", "--swap") as command,
    ):
        wait_until(lambda: kept_names(filled))
        command.process.kill()
        command.process.wait()
    [left] = kept_names(filled)
    assert re.fullmatch(r"l2p_db_restored_\d{8}T\d{6}Z", left)
    assert_usable(filled, backed_up, "l2p")
    done = backed_up.call("restore", "--service", "l2p", "--forget")
    assert (done.returncode, done.stdout, kept_names(filled)) == (0, f"l2p: {left} dropped\n", [])
