"""Recoveries of servers that changed after their base was copied: another timeline, other sizes."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.ops.backup.archives import end, receiving, state_of
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, wait_until, workplace
from tests.ops.provisioned_server import provisioned_server

pytestmark = [pytest.mark.database, pytest.mark.long]


@contextlib.contextmanager
def server_with_notes() -> Iterator[tuple[FilledServer, Workplace]]:
    """A server with one table in one database, and a folder for its archive."""
    with provisioned_server() as provisioned:
        server = FilledServer(provisioned)
        server.execute("l2p_db", "CREATE TABLE notes (number bigint)", "ALTER TABLE notes OWNER TO l2p_owner")
        with workplace(**server.told) as place:
            yield server, place


def write(server: FilledServer, *, segments: int = 0) -> tuple[str, int]:
    """Write a row, and end so many segments before it; the time after that, and how many rows there are."""
    server.execute("l2p_db", *["SELECT pg_switch_wal()", "INSERT INTO notes VALUES (0)"] * segments)
    server.execute("l2p_db", "INSERT INTO notes VALUES (1)")
    [(at, count)] = server.fetch("l2p_db", "SELECT clock_timestamp(), (SELECT count(*) FROM notes)")
    return at.isoformat(), count


def restored(server: FilledServer, place: Workplace, at: str) -> int:
    """The rows that were there at a time, by a restore to it."""
    done = place.call("restore", "--service", "l2p", "--at", at, "--into", "gone_back")
    assert done.returncode == 0, done.stderr
    [count] = server.fetch("gone_back", "SELECT count(*) FROM notes")
    server.execute("postgres", "DROP DATABASE gone_back WITH (FORCE)")
    assert isinstance(count, int)
    return count


def back_up(place: Workplace) -> None:
    done = place.call("backup", "full")
    assert done.returncode == 0, done.stderr


def begin_timeline(server: FilledServer) -> None:
    """Have the server recover as one does that was restored as a whole: it goes on upon a timeline of its own."""
    cluster = server.provisioned.cluster
    server.execute("postgres", "ALTER SYSTEM SET restore_command = 'false'")
    cluster.stop()
    (cluster.pgdata / "recovery.signal").touch()
    cluster.restart()
    wait_until(lambda: server.fetch("postgres", "SELECT pg_is_in_recovery()") == [False])
    [segment] = server.fetch("postgres", "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    assert segment.startswith("00000002")


def test_times_of_a_new_timeline_are_reached_and_those_of_before_stay_so() -> None:
    with server_with_notes() as (server, place):
        with receiving(place) as receiver:
            back_up(place)
            before = write(server, segments=2)
            end(receiver)
        begin_timeline(server)
        with receiving(place) as receiver:
            assert "nor one after it before the next `quartet backup full`" in receiver.output
            between, _ = write(server)
            back_up(place)
            after = write(server, segments=2)
            end(receiver)
        assert [period.timeline for period in state_of(place).periods] == [1, 2]
        assert restored(server, place, before[0]) == before[1]
        assert restored(server, place, after[0]) == after[1]
        done = place.call("restore", "--service", "l2p", "--at", between, "--into", "gone_back")
        assert (done.returncode, " or from " in done.stderr) == (16, True), done.stderr
        with receiving(place) as receiver:
            end(receiver)
        assert len(state_of(place).periods) == 2


def resize(server: FilledServer, connections: int) -> None:
    """Have the server admit so many."""
    server.execute("postgres", f"ALTER SYSTEM SET max_connections = {connections}")
    server.provisioned.cluster.stop()
    server.provisioned.cluster.restart()
    assert server.fetch("postgres", "SHOW max_connections") == [str(connections)]


def test_a_server_that_was_enlarged_or_reduced_since_its_base_is_recovered() -> None:
    with server_with_notes() as (server, place):
        [size] = map(int, server.fetch("postgres", "SHOW max_connections"))
        with receiving(place) as receiver:
            back_up(place)
            write(server)
            end(receiver)
        resize(server, 3 * size)
        with receiving(place) as receiver:
            enlarged = write(server, segments=12)  # more than lie ready at once
            end(receiver)
        assert restored(server, place, enlarged[0]) == enlarged[1]
        with receiving(place) as receiver:
            back_up(place)
            end(receiver)
        resize(server, size)
        with receiving(place) as receiver:
            reduced = write(server, segments=1)
            end(receiver)
        assert restored(server, place, reduced[0]) == reduced[1]
