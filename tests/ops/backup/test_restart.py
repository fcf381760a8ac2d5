"""A restart of the server in the middle of a base backup."""

from collections.abc import Iterator

import pytest

from quartet.postgres.binaries import find_binaries
from tests.ops.backup.commands import started
from tests.ops.backup.servers import FilledServer, filled_server
from tests.ops.command import Workplace, wait_until, workplace

pytestmark = [pytest.mark.database, pytest.mark.long]

STREAMS = "SELECT pid FROM pg_stat_progress_basebackup WHERE phase = 'streaming database files'"


@pytest.fixture(scope="module")
def server() -> Iterator[FilledServer]:
    """A server of this module's own, since it is restarted."""
    with filled_server() as made:
        yield made


@pytest.fixture
def place(server: FilledServer) -> Iterator[Workplace]:
    """A folder without a backup."""
    with workplace(**server.told) as made:
        yield made


@pytest.fixture
def slowly(place: Workplace) -> dict[str, str]:
    """What a command has to be told to make base backups of 1 MB a second."""
    programs = place.folder / "bin"
    programs.mkdir()
    for program in find_binaries().bindir.iterdir():
        (programs / program.name).symlink_to(program)
    real = (programs / "pg_basebackup").readlink()
    (programs / "pg_basebackup").unlink()
    (programs / "pg_basebackup").write_text(f'#!/bin/sh\nexec "{real}" --max-rate=1M "$@"\n')
    (programs / "pg_basebackup").chmod(0o755)
    return {"PG_BINDIR": str(programs)}


def test_a_backup_whose_server_restarts_fails_and_leaves_nothing_and_the_next_restores(
    server: FilledServer, place: Workplace, slowly: dict[str, str]
) -> None:
    with started(place, "backup", "full", **slowly) as command:

        def streams() -> bool:
            assert command.process.poll() is None, command.output
            return bool(server.fetch("postgres", STREAMS))

        wait_until(streams)
        server.provisioned.cluster.stop()
        server.provisioned.cluster.restart()
        assert command.end() == 14, command.output
    told = command.output.splitlines()[-1]
    assert told.startswith("quartet: pg_basebackup failed"), told
    assert [path for path in (place.home / "backups").rglob("*") if path.is_file()] == []
    done = place.call("backup", "full")
    assert done.returncode == 0, done.stderr
    assert len(place.call_json("backup", "list")) == 1
    done = place.call("restore", "--service", "payment", "--into", "afterwards")
    assert done.returncode == 0, done.stderr
    assert server.contents("afterwards") == server.contents("payment_db")
