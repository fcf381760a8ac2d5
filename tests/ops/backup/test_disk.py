"""Too little room: at the destination, and for what is restored."""

import json
import os
import sys
from collections.abc import Iterator

import pytest

from quartet.home import Home
from quartet.processes import run
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace, workplace
from tests.ops.places import on_small_disk

pytestmark = [pytest.mark.database, pytest.mark.long]

END = b"\n-- PostgreSQL database dump complete\n"


@pytest.fixture
def beside_its_server(filled: FilledServer, place: Workplace) -> Iterator[Workplace]:
    """A place that takes the server for its embedded one, whose disk it can see."""
    Home(place.home).prepare()
    folder = Home(place.home).cluster_folder()
    folder.mkdir(parents=True)
    (folder / "port").write_text(place.told["POSTGRES_PORT"])
    told = {name: value for name, value in place.told.items() if not name.startswith("POSTGRES_")}
    told["POSTGRES_PASSWORD"] = filled.provisioned.password
    with workplace(**told) as other:
        yield Workplace(place.folder, other.ports, told)


def test_a_full_destination_ends_the_backup_and_the_older_one_still_restores(
    filled: FilledServer, place: Workplace
) -> None:
    disk = place.folder / "disk"
    disk.mkdir()
    # On a disk that only these commands see: one backup, the room of half another one, and a second attempt.
    script = f"""
        quartet() {{ {sys.executable} -m quartet "$@"; }}
        set -e
        quartet backup full
        fallocate --length $(($(df --output=avail --block-size=1 {disk} | tail -1) - 3000000)) {disk}/filler
        find {disk}/backups -type f | sort >before
        code=0; quartet backup full || code=$?
        echo $code >second
        find {disk}/backups -type f | sort >after
        quartet backup list --json >list
        quartet restore --service videovault --into of_small_disk
    """
    done = run(
        [*on_small_disk(disk, size="40M"), "sh", "-c", script],
        environment=place.environment | {"BACKUP_DESTINATION": f"{disk}/backups"},
        folder=place.folder,
    )
    assert done.returncode == 0, done.stderr
    assert (place.folder / "second").read_text() == "8\n"
    [told] = [line for line in done.stderr.splitlines() if line.startswith("quartet: ")]
    assert told == (
        f"quartet: the disk of {disk}/backups is full: make room there, or set BACKUP_DESTINATION to another place"
    )
    assert (place.folder / "after").read_text() == (place.folder / "before").read_text()
    assert len(json.loads((place.folder / "list").read_text())) == 1
    assert filled.contents("of_small_disk") == filled.contents("videovault_db")
    filled.execute("postgres", "DROP DATABASE of_small_disk")


def test_too_little_disk_for_a_restore_is_told_before_anything_is_done(
    filled: FilledServer, beside_its_server: Workplace
) -> None:
    vast = beside_its_server.folder / "vast.sql"
    with vast.open("wb") as file:
        file.truncate(8 * 1024**4)  # sparse
        file.seek(-len(END), os.SEEK_END)
        file.write(END)
    before = filled.databases()
    done = beside_its_server.call("restore", "--service", "l2p", "--from", str(vast), "--into", "vast")
    assert (done.returncode, len(done.stderr.splitlines())) == (8, 1), done.stderr
    assert "needs about 8.8 TB" in done.stderr
    assert "make room there" in done.stderr
    assert filled.databases() == before
