"""`quartet backup wal`: kills, restarts and absences leave no gap, or one that is told."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from obstore.store import LocalStore

from quartet.backup.archive import (
    ArchiveState,
    file_name,
    lsn_number,
    segment_names,
    segment_of,
    write_state,
)
from quartet.backup.destination import Destination
from quartet.backup.keys import find_recipient
from quartet.backup.server import find_backup_server
from quartet.backup.wal import SLOT, Receiver
from quartet.cli.output import load_checked_settings
from tests.ops.backup.archives import end, objects_of, receiving, state_of, wait_for
from tests.ops.backup.commands import StartedCommand
from tests.ops.backup.servers import FilledServer
from tests.ops.backup.stores import running_store
from tests.ops.command import Workplace, wait_until, workplace
from tests.ops.provisioned_server import provisioned_server

pytestmark = pytest.mark.database

LOST = "no time in between can be restored"
SLOT_IS_AT_THE_END = "SELECT pg_walfile_name(restart_lsn) = pg_walfile_name(pg_current_wal_flush_lsn()) FROM pg_replication_slots"
WRITE = "INSERT INTO notes SELECT count(*) FROM notes"


@pytest.fixture(scope="module")
def server() -> Iterator[FilledServer]:
    """A server of this module's own, with one table in one database."""
    with provisioned_server() as provisioned:
        server = FilledServer(provisioned)
        server.execute("l2p_db", "CREATE TABLE notes (number bigint)", "ALTER TABLE notes OWNER TO l2p_owner")
        yield server


@pytest.fixture
def place(server: FilledServer) -> Iterator[Workplace]:
    """A folder without an archive."""
    with workplace(**server.told) as made:
        yield made


def write(server: FilledServer, *, segments: int = 0) -> datetime:
    """Commit a row, and end so many segments after it; the time after that."""
    server.execute("l2p_db", WRITE, *["SELECT pg_switch_wal()", WRITE] * segments)
    [now] = server.fetch("postgres", "SELECT clock_timestamp()")
    assert isinstance(now, datetime)
    return now


def assert_whole(place: Workplace, *, until: datetime) -> None:
    """The archive has one period, to that time at least, and each of its segments."""
    state = state_of(place)
    [period] = state.periods
    assert period.covered_until >= until
    first, last = (
        segment_of(lsn, timeline=1, segment_bytes=state.segment_bytes)
        for lsn in (period.began_lsn, period.covered_lsn)
    )
    stored = {file_name(f"wal/{path.name}").removesuffix(".partial") for path in objects_of(place)}
    needed = segment_names(first, last, segment_bytes=state.segment_bytes)
    at_boundary = lsn_number(period.covered_lsn) % state.segment_bytes == 0
    assert [name for name in needed[: -1 if at_boundary else None] if name not in stored] == []


def receivers_of(place: Workplace) -> list[psutil.Process]:
    """The processes of `pg_receivewal` that write into this workplace."""
    folder = str(place.home / "backup-wal")
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"--directory={folder}" in (process.info["cmdline"] or ())
    ]


def test_the_end_ships_the_last_commit_and_the_slot_reserved_from_the_start(
    server: FilledServer, place: Workplace
) -> None:
    with receiving(place) as receiver:
        [reserved] = server.fetch(
            "postgres", "SELECT restart_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = $1", SLOT
        )
        until = write(server, segments=2)
        end(receiver)
    assert reserved
    assert_whole(place, until=until)
    assert receiver.output == f"receiving into {place.home}/backups\n"


@pytest.mark.long
def test_a_second_receiver_is_refused(server: FilledServer, place: Workplace) -> None:
    with receiving(place) as receiver:
        [holder] = server.fetch("postgres", "SELECT active_pid FROM pg_replication_slots")
        second = place.quartet("backup", "wal")
        assert (second.returncode, second.stderr) == (
            7,
            f"quartet: the WAL of this server is being received already (server process {holder}): end that first\n",
        )
        until = write(server)
        end(receiver)
    assert_whole(place, until=until)


def test_after_a_kill_it_goes_on_without_a_gap(server: FilledServer, place: Workplace) -> None:
    with receiving(place) as receiver:
        write(server, segments=1)
        receiver.process.kill()
        receiver.process.wait()
    wait_until(lambda: not receivers_of(place))
    until = write(server, segments=2)
    with receiving(place) as receiver:
        end(receiver)
    assert LOST not in receiver.output
    assert_whole(place, until=until)


@pytest.mark.long
def test_a_restart_of_the_server_is_told_once_and_leaves_no_gap(
    server: FilledServer, place: Workplace
) -> None:
    with receiving(place) as receiver:
        write(server)
        server.provisioned.cluster.stop()
        wait_for(receiver, "; trying again")
        server.provisioned.cluster.restart()
        wait_for(receiver, "receiving into", times=2)
        until = write(server)
        end(receiver)
    lines = receiver.output.splitlines()
    assert len(lines) == 3, lines
    assert_whole(place, until=until)


@pytest.mark.long
def test_while_a_database_is_swapped_it_goes_on_by_another(server: FilledServer, place: Workplace) -> None:
    with receiving(place) as receiver:
        server.execute(
            "postgres",
            "ALTER DATABASE auth_db ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'auth_db'",
        )
        try:
            wait_for(receiver, "receiving into", times=2)
        finally:
            server.execute("postgres", "ALTER DATABASE auth_db ALLOW_CONNECTIONS true")
        until = write(server, segments=1)
        end(receiver)
    assert receiver.output.splitlines()[1].startswith("the server ended the connection")
    assert_whole(place, until=until)


@pytest.mark.long
def test_while_the_destination_is_away_segments_wait(server: FilledServer, place: Workplace) -> None:
    backups, away = place.home / "backups", place.home / "away"
    with receiving(place) as receiver:
        backups.rename(away)
        backups.write_text("not a folder")
        until = write(server, segments=3)
        wait_for(receiver, "; trying again")
        wait_until(lambda: len(list((place.home / "backup-wal").iterdir())) >= 3)
        backups.unlink()
        away.rename(backups)
        wait_until(lambda: len(list((place.home / "backup-wal").iterdir())) == 1)
        end(receiver)
    assert len(receiver.output.splitlines()) == 2, receiver.output
    assert_whole(place, until=until)


@pytest.mark.long
def test_while_a_bucket_is_away_segments_wait(server: FilledServer, place: Workplace, tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        place.told |= store.told
        with receiving(place) as receiver:
            store.kill()
            write(server, segments=3)
            wait_for(receiver, "; trying again")
            store.start()  # empty: what it had is gone with it
            wait_until(lambda: len(list((place.home / "backup-wal").iterdir())) == 1)
            end(receiver)
        kept = [path for path in store.objects() if ".partial" not in path and "state" not in path]
        assert len(kept) >= 3
        assert any(path.endswith("state.json") for path in store.objects())


def _receive_once(place: Workplace) -> StartedCommand:
    with receiving(place) as receiver:
        end(receiver)
    return receiver


@pytest.mark.long
def test_a_lost_slot_is_told_and_begins_a_new_period(server: FilledServer, place: Workplace) -> None:
    _receive_once(place)
    server.fetch("postgres", "SELECT pg_drop_replication_slot($1)", SLOT)
    write(server, segments=1)
    receiver = _receive_once(place)
    before, after = state_of(place).periods
    assert (
        f"from {before.covered_until:%Y-%m-%dT%H:%M:%SZ} to {after.began_at:%Y-%m-%dT%H:%M:%SZ} is lost"
        in (receiver.output)
    )
    assert before.covered_until < after.began_at <= after.covered_until
    assert LOST not in _receive_once(place).output


@pytest.mark.long
def test_what_was_shipped_to_another_destination_is_a_gap(server: FilledServer, place: Workplace) -> None:
    _receive_once(place)
    with receiving(place, BACKUP_DESTINATION=str(place.folder / "elsewhere")) as receiver:
        write(server, segments=1)
        end(receiver)
    assert LOST not in receiver.output
    assert LOST in _receive_once(place).output
    assert len(state_of(place).periods) == 2


@pytest.mark.long
def test_segments_that_waited_in_a_folder_that_is_gone_are_a_gap(
    server: FilledServer, place: Workplace
) -> None:
    backups, away = place.home / "backups", place.home / "away"
    with receiving(place) as receiver:
        backups.rename(away)
        backups.write_text("not a folder")
        write(server, segments=2)
        wait_until(lambda: server.fetch("postgres", SLOT_IS_AT_THE_END) == [True])
        receiver.process.kill()
        receiver.process.wait()
    backups.unlink()
    away.rename(backups)
    shutil.rmtree(place.home / "backup-wal")
    assert LOST in _receive_once(place).output


def test_another_servers_destination_is_refused(server: FilledServer, place: Workplace) -> None:
    [own] = server.fetch("postgres", "SELECT system_identifier::text FROM pg_control_system()")
    folder = place.home / "backups"
    folder.mkdir(parents=True)
    other = ArchiveState(
        system_identifier="7000000000000000001", server_major=18, segment_bytes=16 * 1024 * 1024, periods=[]
    )
    write_state(Destination(str(folder), LocalStore(folder)), other)
    for kind in ("wal", "full"):
        done = place.call("backup", kind)
        assert done.returncode == 14, done.stderr
        assert ("7000000000000000001" in done.stderr, own in done.stderr) == (True, True)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["state.json"]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_of_an_idle_server_the_covered_time_advances(
    server: FilledServer, place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.folder)
    settings = load_checked_settings()
    folder = place.home / "backups"
    folder.mkdir(parents=True)
    receiver = Receiver(
        find_backup_server(settings, settings.server()),
        Destination(str(folder), LocalStore(folder)),
        find_recipient(settings),
        spool=place.home / "backup-wal",
        say=lambda _line: None,
        ship_seconds=0.1,
        idle_seconds=0.2,
    )
    running = asyncio.create_task(receiver.run())
    await receiver.receiving.wait()
    seen = {(datetime.now(UTC), "")}
    while len(seen) < 4:
        period = (await asyncio.to_thread(state_of, place)).periods[-1]
        seen.add((period.covered_until, period.covered_lsn))
        await asyncio.sleep(0.05)
    receiver.stopping.set()
    await running
    # Of times at which nothing was written.
    assert len({lsn for _, lsn in seen if lsn}) < len([lsn for _, lsn in seen if lsn])


@contextlib.contextmanager
def slots_keep(server: FilledServer, size: str) -> Iterator[None]:
    """The server keeps no more WAL for slots during the block."""
    server.execute(
        "postgres", f"ALTER SYSTEM SET max_slot_wal_keep_size = '{size}'", "SELECT pg_reload_conf()"
    )
    try:
        yield
    finally:
        server.execute("postgres", "ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")


@pytest.mark.long
def test_times_around_a_gap_are_restored_and_those_within_are_refused(
    server: FilledServer, place: Workplace
) -> None:
    def restore(moment: datetime) -> "tuple[int, str, list[int]]":
        done = place.call("restore", "--service", "l2p", "--at", moment.isoformat(), "--into", "gone_back")
        if done.returncode != 0:
            return done.returncode, done.stderr, []
        rows = server.fetch("gone_back", "SELECT count(*) FROM notes")
        server.execute("postgres", "DROP DATABASE gone_back WITH (FORCE)")
        return done.returncode, done.stderr, rows

    with receiving(place) as receiver:
        assert place.call("backup", "full").returncode == 0
        before = write(server)
        rows_before = server.fetch("l2p_db", "SELECT count(*) FROM notes")
        end(receiver)
    with slots_keep(server, "32MB"):
        within = write(server, segments=6)
        server.execute("postgres", "CHECKPOINT")
        wait_until(
            lambda: server.fetch("postgres", "SELECT wal_status FROM pg_replication_slots") == ["lost"]
        )
    with receiving(place) as receiver:
        assert LOST in receiver.output
        assert place.call("backup", "full").returncode == 0
        after = write(server)
        end(receiver)
    rows_after = server.fetch("l2p_db", "SELECT count(*) FROM notes")
    assert restore(before)[::2] == (0, rows_before)
    assert restore(after)[::2] == (0, rows_after)
    exit_code, told, _ = restore(within)
    assert (exit_code, told.count(" or from "), told.count("to 20")) == (16, 1, 2), told


@pytest.mark.long
def test_interrupts_end_it_well(server: FilledServer, place: Workplace) -> None:
    with receiving(place) as receiver:
        until = write(server)
        receiver.process.send_signal(signal.SIGINT)
        assert receiver.end() == 0
    assert_whole(place, until=until)
