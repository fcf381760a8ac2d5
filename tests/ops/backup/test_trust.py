"""`quartet backup verify` and `prune`: a byte that is not as it was is noticed in any part, and nothing that is needed goes."""

import io
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from obstore.store import LocalStore

from quartet.backup.archive import ArchiveState, Period, object_path
from quartet.backup.catalogue import Catalogue, Retention, choose_kept, find_superfluous
from quartet.backup.destination import Destination
from quartet.backup.keys import read_identities
from quartet.backup.manifest import ID_FORMAT, Manifest, Part, list_ids, read_manifest, write_manifest
from quartet.backup.sealing import Sealed, unseal
from quartet.provision.plan import SERVICES
from tests.ops.backup.archives import flip, part_of
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace

database = pytest.mark.database
PARTS = (*(f"{service}.dump" for service in SERVICES), "globals.sql", "base.tar")
NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)


def verified(place: Workplace) -> str | None:
    """The newest backup that was restored and compared, as `status` tells it."""
    found: str | None = place.call_json("backup", "status")["newest_verified"]
    return found


@database
@pytest.mark.parametrize("name", PARTS)
def test_without_a_key_a_changed_byte_is_noticed_in_any_part(copy: Workplace, name: str) -> None:
    (copy.home / "backup-identity.txt").unlink()
    whole = copy.call("backup", "verify")
    assert (whole.returncode, "every object is whole" in whole.stdout) == (0, True), whole.stderr
    flip(part_of(copy, name))
    done = copy.call("backup", "verify")
    assert done.returncode == 15
    assert f"{name}.zst.age is not what its manifest says it is" in done.stderr
    part_of(copy, name).unlink()
    done = copy.call("backup", "verify")
    assert (done.returncode, f"{name}.zst.age is missing" in done.stderr) == (15, True)
    assert verified(copy) is None


@database
@pytest.mark.long
@pytest.mark.parametrize("name", PARTS)
def test_with_the_key_a_changed_byte_is_noticed_in_any_part(copy: Workplace, name: str) -> None:
    flip(part_of(copy, name))
    done = copy.call("backup", "verify")
    assert (done.returncode, f"{name}.zst.age is damaged" in done.stderr) == (15, True), done.stderr
    assert verified(copy) is None
    assert list(copy.home.glob("verify-*")) + list(copy.home.glob("restore-*")) == []


@database
@pytest.mark.long
def test_a_whole_backup_is_restored_compared_and_noted(copy: Workplace) -> None:
    [backup] = copy.call_json("backup", "list")
    done = copy.call("backup", "verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{backup['id']}: restored and compared: ")
    assert verified(copy) == backup["id"]


def rewrite_base(place: Workplace, change: Callable[[tarfile.TarInfo, bytes], bytes]) -> None:
    """Change files of the base as they were written: its seal and the manifest know nothing of it."""
    path = part_of(place, "base.tar")
    identities = read_identities(place.home / "backup-identity.txt")
    plain, changed = io.BytesIO(), io.BytesIO()
    unseal([path.read_bytes()], plain, identities, name=path.name)
    plain.seek(0)
    with tarfile.open(fileobj=plain) as old, tarfile.open(fileobj=changed, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            content = change(member, file.read()) if file else b""
            new.addfile(member, io.BytesIO(content))
    changed.seek(0)
    sealed = Sealed(changed, identities[0].to_public())
    path.write_bytes(b"".join(sealed))
    destination = Destination("here", LocalStore(place.home / "backups"))
    manifest = read_manifest(destination, path.parent.name)
    told = {"bytes": sealed.bytes, "stored_bytes": sealed.stored_bytes, "sha256": sealed.sha256}
    parts = tuple(part.model_copy(update=told) if part.kind == "base" else part for part in manifest.parts)
    write_manifest(destination, manifest.model_copy(update={"parts": parts}))


@database
@pytest.mark.long
def test_a_byte_of_a_table_that_was_wrong_before_it_was_copied_is_noticed(
    filled: FilledServer, copy: Workplace
) -> None:
    [table] = filled.fetch("l2p_db", "SELECT pg_relation_filepath('lobbies')")

    def change(member: tarfile.TarInfo, content: bytes) -> bytes:
        if member.name.removeprefix("./") != table:
            return content
        return content[:-1] + bytes([content[-1] ^ 1])

    rewrite_base(copy, change)
    done = copy.call("backup", "verify")
    assert (done.returncode, "does not match its own manifest" in done.stderr) == (15, True), done.stderr


def made_manifest(ended: datetime, *, end_lsn: str = "0/5000000") -> Manifest:
    """A backup that ended then."""
    base = Part(kind="base", path="base", bytes=1, stored_bytes=1, sha256="", timeline=1, end_lsn=end_lsn)
    return Manifest(
        id=ended.strftime(ID_FORMAT),
        began_at=ended,
        ended_at=ended,
        server_version="18.1",
        server_major=18,
        system_identifier="7",
        parts=(base,),
    )


def kept_days(days: list[int], retention: Retention | None = None) -> list[int]:
    """Of backups that are so many days old, the newest first, those that are kept."""
    made = [made_manifest(NOW - timedelta(days=day)) for day in days]
    kept, _ = choose_kept(made, retention or Retention())
    return [(NOW - manifest.began_at).days for manifest in kept]


def test_seven_days_four_weeks_and_twelve_months_are_kept() -> None:
    kept = kept_days(list(range(800)))
    # A Monday: the last of each week is a Sunday. The last of a month is its last day.
    assert kept[:7] == list(range(7))
    assert kept[7:12] == [8, 15, 30, 61, 91]
    assert len(kept) == 7 + 3 + 11 - 1


@pytest.mark.parametrize("days", [[60], [60, 61], [0], [3, 60, 400]])
def test_the_newest_is_kept_however_old_it_is(days: list[int]) -> None:
    assert kept_days(days, Retention(daily=1, weekly=0, monthly=0)) == days[:1]


def test_days_without_a_backup_do_not_count() -> None:
    assert kept_days([0, 30, 60, 90, 120], Retention(daily=3, weekly=0, monthly=0)) == [0, 30, 60]


def test_the_wal_that_the_oldest_daily_base_needs_is_kept() -> None:
    state = ArchiveState(
        system_identifier="7",
        server_major=18,
        segment_bytes=16 * 1024 * 1024,
        periods=[Period(began_at=NOW, began_lsn="0/0", covered_until=NOW, covered_lsn="0/9000000")],
    )
    names = [f"{1:08X}{0:08X}{number:08X}" for number in range(10)]
    catalogue = Catalogue(
        manifests=(
            made_manifest(NOW, end_lsn="0/7000000"),
            made_manifest(NOW - timedelta(days=1), end_lsn="0/5000100"),
            made_manifest(NOW - timedelta(days=40), end_lsn="0/2000000"),
        ),
        damaged=(),
        state=state,
        sizes={object_path(name): 1 for name in names} | {"wal/state.json": 1},
    )
    backups, segments = find_superfluous(catalogue, Retention(daily=2, weekly=0, monthly=2))
    assert (backups, segments) == ([], [object_path(name) for name in names[:5]])
    backups, _ = find_superfluous(catalogue, Retention(daily=2, weekly=0, monthly=0))
    assert [backup.end_lsn for manifest in backups if (backup := manifest.base)] == ["0/2000000"]


def add_backup(place: Workplace, *, age: timedelta) -> str:
    """Put another backup beside the only one, with its parts, that is so old; its id."""
    destination = Destination("here", LocalStore(place.home / "backups"))
    [backup_id] = list_ids(destination)[0]
    manifest = read_manifest(destination, backup_id)
    began = manifest.began_at - age
    older = began.strftime(ID_FORMAT)
    folder = place.home / "backups" / "full"
    shutil.copytree(folder / backup_id, folder / older)
    parts = tuple(
        part.model_copy(update={"path": part.path.replace(backup_id, older)}) for part in manifest.parts
    )
    told = {"id": older, "began_at": began, "ended_at": manifest.ended_at - age, "parts": parts}
    write_manifest(destination, manifest.model_copy(update=told))
    return older


@database
def test_of_a_month_ago_one_is_kept_and_restores_to_its_own_end(
    filled: FilledServer, copy: Workplace
) -> None:
    [newest] = copy.call_json("backup", "list")
    older = add_backup(copy, age=timedelta(days=60))
    would = copy.call("backup", "prune", "--monthly", "1", "--weekly", "0", "--daily", "1", "--dry-run")
    assert would.stdout.splitlines()[0].startswith(f"{older}  ")
    assert would.stdout.endswith("1 backups and 0 segments of WAL would be deleted\n")
    done = copy.call("backup", "prune")
    assert (done.returncode, done.stdout) == (0, "0 backups and 0 segments of WAL deleted\n")
    assert [each["id"] for each in copy.call_json("backup", "list")] == [newest["id"], older]
    restored = copy.call("restore", "--service", "videovault", "--from", older, "--into", "a_month_ago")
    assert restored.returncode == 0, restored.stderr
    assert filled.contents("a_month_ago") == filled.contents("videovault_db")
    filled.execute("postgres", "DROP DATABASE a_month_ago")
    done = copy.call("backup", "prune", "--monthly", "0", "--weekly", "0", "--daily", "1")
    assert done.stdout.endswith("1 backups and 0 segments of WAL deleted\n")
    assert [each["id"] for each in copy.call_json("backup", "list")] == [newest["id"]]


@database
def test_the_last_good_one_stays_when_later_ones_failed(copy: Workplace) -> None:
    [newest] = copy.call_json("backup", "list")
    folder = copy.home / "backups" / "full"
    good = add_backup(copy, age=timedelta(days=60))
    (folder / newest["id"] / "manifest.json").unlink()
    for hours in (1, 2):
        failed = datetime.fromisoformat(newest["began_at"]) - timedelta(hours=hours)
        (folder / failed.strftime(ID_FORMAT)).mkdir()
        shutil.copy(folder / good / "auth.dump.zst.age", folder / failed.strftime(ID_FORMAT))
    assert copy.call("backup", "prune", "--daily", "1", "--weekly", "0", "--monthly", "0").returncode == 0
    assert [each["id"] for each in copy.call_json("backup", "list")] == [good]
    status = copy.call("backup", "status")
    assert (status.returncode, "the newest backup is 1440 h old" in status.stderr) == (1, True)
