"""A clock that went back: backups keep their order, what the archive covers does not shrink, and both are told."""

from datetime import UTC, datetime, timedelta

import pytest
from obstore.store import LocalStore

from quartet.backup.archive import Period
from quartet.backup.destination import Destination
from quartet.backup.full import next_id
from quartet.backup.manifest import ID_FORMAT, read_manifest, write_manifest
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("existing", "made"),
    [
        ([], "20261130T120000Z"),
        (["20261130T115959Z", "20261130T110000Z"], "20261130T120000Z"),
        (["20261130T120000Z"], "20261130T120001Z"),
        (["20261130T125959Z", "20261130T110000Z"], "20261130T130000Z"),
        (["20261231T235959Z"], "20270101T000000Z"),
        (["of somebody else", "20261130T110000Z"], "20261130T120000Z"),
    ],
)
def test_a_backup_sorts_after_those_that_are_there(existing: list[str], made: str) -> None:
    assert next_id(existing, now=NOON) == made


def test_what_is_covered_does_not_shrink_and_the_clock_is_told_once() -> None:
    period = Period(began_at=NOON, began_lsn="0/1000000", covered_until=NOON, covered_lsn="0/1000000")
    told = [
        period.cover(NOON + timedelta(minutes=minute), f"0/{position}000000")
        for minute, position in ((10, 2), (-50, 3), (-49, 4), (11, 5))
    ]
    assert told == [True, False, False, True]
    assert (period.covered_until, period.covered_lsn) == (NOON + timedelta(minutes=11), "0/5000000")


@pytest.mark.database
@pytest.mark.long
def test_after_a_backup_of_the_future_the_next_is_the_newest_and_status_tells_of_the_clock(
    filled: FilledServer, copy: Workplace
) -> None:
    folder = copy.home / "backups"
    destination = Destination("here", LocalStore(folder))
    [first] = copy.call_json("backup", "list")
    future = datetime.now(UTC) + timedelta(hours=3)
    moved = future.strftime(ID_FORMAT)
    (folder / "full" / first["id"]).rename(folder / "full" / moved)
    manifest = read_manifest(destination, moved)
    parts = tuple(
        part.model_copy(update={"path": part.path.replace(first["id"], moved)}) for part in manifest.parts
    )
    write_manifest(destination, manifest.model_copy(update={"id": moved, "ended_at": future, "parts": parts}))
    status = copy.call("backup", "status")
    assert (status.returncode, "the newest backup ended 3.0 h after now" in status.stderr) == (1, True)
    filled.execute("videovault_db", "UPDATE videos SET file_size = file_size + 1")
    assert copy.call("backup", "full").returncode == 0
    assert [each["id"] for each in copy.call_json("backup", "list")] == [next_id([moved], now=NOON), moved]
    assert copy.call("restore", "--service", "videovault", "--into", "newest").returncode == 0
    assert filled.contents("newest") == filled.contents("videovault_db")
    filled.execute("postgres", "DROP DATABASE newest")
    filled.execute("videovault_db", "UPDATE videos SET file_size = file_size - 1")
