"""Two full backups at once, one whose processes are ended, and one that begins while a migration is at work."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import pytest

from tests.ops.backup.commands import StartedCommand, started
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, wait_until

pytestmark = [pytest.mark.database, pytest.mark.long]


def _wait_for_the_dump_of_payment(filled: FilledServer, command: StartedCommand) -> None:
    def waits() -> bool:
        assert command.process.poll() is None, command.output
        return bool(filled.waiting("LOCK TABLE"))

    wait_until(waits)


@contextlib.contextmanager
def _pg_dump_waits(filled: FilledServer) -> Iterator[None]:
    """The dump of Payment waits during the block, and its session does not: that counts no unlogged tables."""
    filled.execute("payment_db", "CREATE UNLOGGED TABLE stall ()")
    try:
        with filled.locked("payment", "stall"):
            yield
    finally:
        filled.execute("payment_db", "DROP TABLE stall")


def _objects(place: Workplace) -> list[str]:
    return sorted(path.name for path in (place.home / "backups").rglob("*") if path.is_file())


def test_the_second_of_two_is_refused_and_the_first_goes_on(filled: FilledServer, place: Workplace) -> None:
    with started(place, "backup", "full") as first:
        with filled.locked("payment", "orders"):
            _wait_for_the_dump_of_payment(filled, first)
            [holder] = filled.fetch("postgres", "SELECT active_pid FROM pg_replication_slots")
            second = place.call("backup", "full")
            assert (second.returncode, second.stderr) == (
                7,
                f"quartet: another full backup is being made (server process {holder}): wait for its end\n",
            )
        assert first.end() == 0, first.output
    assert len(place.call_json("backup", "list")) == 1
    assert filled.fetch("postgres", "SELECT count(*) FROM pg_replication_slots") == [0]


def test_a_dump_whose_server_process_is_ended_fails_and_leaves_nothing(
    filled: FilledServer, place: Workplace
) -> None:
    with started(place, "backup", "full") as command, _pg_dump_waits(filled):
        _wait_for_the_dump_of_payment(filled, command)
        assert _objects(place)[:2] == ["auth.dump.zst.age", "l2p.dump.zst.age"]
        filled.fetch("postgres", "SELECT pg_terminate_backend($1)", filled.waiting("LOCK TABLE")[0])
        assert command.end() == 14, command.output
        last = command.output.splitlines()[-1]
        assert last.startswith("quartet: pg_dump failed (")
        assert "terminating connection" in last
    assert _objects(place) == []
    assert place.call("backup", "list").returncode == 13
    assert filled.fetch("postgres", "SELECT count(*) FROM pg_replication_slots") == [0]


def test_a_count_whose_server_process_is_ended_fails_and_leaves_nothing(
    filled: FilledServer, place: Workplace
) -> None:
    counting = "SELECT pid FROM pg_stat_activity WHERE datname = 'payment_db' AND query ~ 'SELECT count'"
    with started(place, "backup", "full") as command:
        with _pg_dump_waits(filled):
            _wait_for_the_dump_of_payment(filled, command)
            wait_until(lambda: filled.fetch("postgres", counting))
            filled.fetch("postgres", "SELECT pg_terminate_backend($1)", *filled.fetch("postgres", counting))
        assert command.end() == 14, command.output
        assert command.output.splitlines()[-1].startswith("quartet: the server failed during the backup (")
    assert _objects(place) == []


def test_an_interrupted_backup_leaves_nothing(filled: FilledServer, place: Workplace) -> None:
    with started(place, "backup", "full") as command, filled.locked("payment", "orders"):
        _wait_for_the_dump_of_payment(filled, command)
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 128 + signal.SIGINT, command.output
        assert "Traceback" not in command.output
    assert _objects(place) == []


def test_what_a_killed_backup_left_is_deleted_by_the_next(filled: FilledServer, place: Workplace) -> None:
    assert place.call("backup", "full").returncode == 0
    kept = _objects(place)
    with started(place, "backup", "full") as command, _pg_dump_waits(filled):
        _wait_for_the_dump_of_payment(filled, command)
        command.process.kill()
        command.process.wait()
    # Two that are whole, and one that was being written, under a name that the store does not list.
    assert len(_objects(place)) == len(kept) + 3
    assert len(place.call_json("backup", "list")) == 1
    wait_until(lambda: filled.fetch("postgres", "SELECT count(*) FROM pg_replication_slots") == [0])
    assert place.call("backup", "prune").returncode == 0
    assert len(_objects(place)) == len(kept) + 3
    assert place.call("backup", "full").returncode == 0
    assert _objects(place) == sorted(kept * 2)
    assert len(place.call_json("backup", "list")) == 2


def test_a_migration_that_rewrites_a_table_is_waited_for(filled: FilledServer, place: Workplace) -> None:
    # A snapshot of before its end would see no row of the table.
    filled.execute("payment_db", "CREATE TABLE notes AS SELECT n AS id FROM generate_series(1, 100) n")
    filled.execute("payment_db", "ALTER TABLE notes OWNER TO payment_owner")
    with asyncio.Runner() as runner:
        migration = runner.run(filled.provisioned.open("payment_owner", "payment_db"))
        runner.run(migration.execute("BEGIN"))
        runner.run(migration.execute("ALTER TABLE notes ALTER COLUMN id TYPE text"))
        with started(place, "backup", "full") as command:
            _wait_for_the_dump_of_payment(filled, command)
            runner.run(migration.execute("COMMIT"))
            assert command.end() == 0, command.output
        runner.run(migration.close())
    [manifest] = place.call_json("backup", "list")
    [rows] = [
        table["rows"]
        for part in manifest["parts"]
        for table in part["tables"]
        if table["name"] == "public.notes"
    ]
    assert rows == 100
    assert place.call("restore", "--service", "payment", "--into", "migrated").returncode == 0
    assert filled.contents("migrated") == filled.contents("payment_db")
    filled.execute("payment_db", "DROP TABLE notes")
    filled.execute("postgres", "DROP DATABASE migrated")
