"""A database restored to a time: what was acknowledged by then is there, and nothing that was committed later."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from obstore.store import LocalStore

from quartet.backup.archive import PARTIAL
from quartet.backup.destination import Destination
from quartet.backup.manifest import list_ids, read_manifest, write_manifest
from quartet.backup.scratch import delete_abandoned, scratch_folder
from tests.ops.backup.archives import Story, flip, objects_of, part_of, state_of
from tests.ops.backup.commands import started
from tests.ops.command import Workplace, wait_until, workplace

pytestmark = pytest.mark.database

SPELLINGS = ("Z", "+00:00", "+01:00")


def spelt(time: str, offset: str) -> str:
    """A time of UTC with another offset."""
    if offset != "+01:00":
        return time.replace("Z", offset)
    date, _, rest = time.partition("T")
    hour = (int(rest[:2]) + 1) % 24
    return f"{date}T{hour:02}{rest[2:].replace('Z', offset)}" if hour else time


def restored(
    story: Story, service: str, at: str, *, place: Workplace | None = None
) -> "tuple[subprocess.CompletedProcess[str], dict[str, list[str]]]":
    """What the command said of a restore into a new database, and the rows of it, which is dropped again."""
    done = (place or story.place).call("restore", "--service", service, "--at", at, "--into", "gone_back")
    if done.returncode != 0:
        return done, {}
    rows = story.filled.contents("gone_back")
    story.filled.execute("postgres", "DROP DATABASE gone_back WITH (FORCE)")
    return done, rows


def leftovers(story: Story, place: Workplace) -> tuple[set[str], list[Path], list[int]]:
    """What a restore could leave behind: databases, folders, servers."""
    running = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _works_in(path, place.folder)
    ]
    return story.filled.databases(), sorted(place.home.glob("restore-*")), running


def _works_in(process: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return folder in (process / "cwd").readlink().parents
    return False


def test_a_time_before_a_table_was_lost_has_all_that_was_acknowledged(story: Story) -> None:
    done, rows = restored(story, "payment", story.times["before the loss"])
    assert (done.returncode, done.stdout) == (0, "payment: restored into gone_back\n"), done.stderr
    assert len(rows["users"]) == 60
    assert rows == story.rows["before the loss"]
    assert any(path.name.endswith(f"{PARTIAL}.zst.age") for path in objects_of(story.place))
    assert leftovers(story, story.place)[1:] == ([], [])


def test_a_time_after_the_last_commit_has_all_rows_though_a_lock_was_held(story: Story) -> None:
    done, rows = restored(story, "videovault", story.times["the end"])
    assert done.returncode == 0, done.stderr
    assert rows == story.rows["the end"]


@pytest.mark.long
@pytest.mark.parametrize("offset", SPELLINGS)
def test_each_spelling_of_a_time_has_the_same_rows(story: Story, offset: str) -> None:
    _, rows = restored(story, "payment", spelt(story.times["before the loss"], offset))
    assert rows == story.rows["before the loss"]


@pytest.mark.long
def test_a_table_that_was_lost_by_then_is_not_there(story: Story) -> None:
    _, rows = restored(story, "payment", story.times["the end"])
    assert rows == story.filled.contents("payment_db")
    assert "users" not in rows


def test_a_dry_run_tells_what_it_would_read_and_changes_nothing(story: Story) -> None:
    before = leftovers(story, story.place), sorted(story.place.home.rglob("*"))
    told = {
        story.place.call(
            *("restore", "--service", "payment", "--dry-run"),
            *("--at", spelt(story.times["before the loss"], offset)),
        ).stdout
        for offset in SPELLINGS
    }
    [output] = told
    lines = output.splitlines()
    assert [line.split()[0] for line in lines] == ["base", "WAL", "disk"]
    [backup] = story.place.call_json("backup", "list")
    assert backup["id"] in lines[0]
    assert lines[1].split()[1:3] == ["2", "segments,"]
    assert lines[2].split()[1] == "about"
    assert (leftovers(story, story.place), sorted(story.place.home.rglob("*"))) == before


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00Z", "2106-01-01T00:00:00Z"])
def test_a_time_outside_of_the_window_is_refused_with_the_window(story: Story, at: str) -> None:
    before = leftovers(story, story.place)
    done, _ = restored(story, "payment", at)
    until = state_of(story.place).periods[-1].covered_until
    assert done.returncode == 16
    assert f"to {until:%Y-%m-%dT%H:%M:%SZ}" in done.stderr
    assert leftovers(story, story.place) == before


def test_wrong_uses_are_refused(story: Story) -> None:
    at = story.times["the end"]
    for arguments, exit_code, told in (
        (("--at", at.removesuffix("Z"), "--into", "gone_back"), 2, "the offset from UTC is missing"),
        (("--at", "31 February"), 2, "RFC 3339"),
        (("--at", at, "--into", "l2p_db"), 17, "there is a database l2p_db already"),
        (("--at", at), 17, "l2p_db holds tables"),
        (("--at", at, "--swap", "--into", "gone_back"), 2, "exclude each other"),
        (("--at", at, "--undo"), 2, "leave --at and --from out"),
        (("--at", at, "--from", "x.sql"), 2, "leave --from out"),
        (("--dry-run",), 2, "give --at TIME"),
    ):
        done = story.place.call("restore", "--service", "l2p", *arguments)
        assert (done.returncode, told in done.stderr) == (exit_code, True), done.stderr
    assert "gone_back" not in story.filled.databases()


@pytest.fixture
def copy(story: Story) -> Iterator[Workplace]:
    """A copy of the backups, to be harmed."""
    with workplace(**story.filled.told) as place:
        shutil.copytree(story.place.home, place.home, dirs_exist_ok=True)
        yield place


def _needed(place: Workplace) -> list[Path]:
    """The last two files of the archive: a finished segment, and the unfinished one."""
    return [path for path in objects_of(place) if "state" not in path.name][-2:]


def _assert_refused(story: Story, place: Workplace, *names: str) -> None:
    before = leftovers(story, place)
    done, _ = restored(story, "videovault", story.times["the end"], place=place)
    assert done.returncode == 15, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("quartet: ")]
    assert [name for name in names if name not in line] == [], line
    assert leftovers(story, place) == before


@pytest.mark.parametrize("which", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_changed_byte_in_a_segment_is_noticed_and_nothing_is_left(
    story: Story, copy: Workplace, which: int
) -> None:
    path = _needed(copy)[which]
    flip(path)
    _assert_refused(story, copy, path.name, "damaged")


def test_a_changed_byte_in_the_state_is_noticed(story: Story, copy: Workplace) -> None:
    flip(copy.home / "backups/wal/state.json")
    _assert_refused(story, copy, "state.json is damaged")


def test_a_changed_byte_in_the_base_is_noticed(story: Story, copy: Workplace) -> None:
    flip(part_of(copy, "base.tar"))
    _assert_refused(story, copy, "base.tar.zst.age is damaged")


def test_too_little_disk_for_the_recovery_is_told_before_anything_is_done(
    story: Story, copy: Workplace
) -> None:
    destination = Destination("here", LocalStore(copy.home / "backups"))
    manifest = read_manifest(destination, list_ids(destination)[0][0])
    parts = tuple(
        part.model_copy(update={"bytes": 8 * 1024**4}) if part.kind == "base" else part
        for part in manifest.parts
    )
    write_manifest(destination, manifest.model_copy(update={"parts": parts}))
    before = leftovers(story, copy)
    done, _ = restored(story, "videovault", story.times["the end"], place=copy)
    assert (done.returncode, len(done.stderr.splitlines())) == (8, 1), done.stderr
    assert "the recovery needs about 8.8 TB" in done.stderr
    assert leftovers(story, copy) == before


@pytest.mark.long
def test_what_a_killed_restore_left_on_the_disk_is_deleted_by_prune(story: Story, copy: Workplace) -> None:
    at = story.times["the end"]
    with started(copy, "restore", "--service", "payment", "--at", at, "--into", "killed") as command:
        wait_until(lambda: list(copy.home.glob("restore-*/cluster/pgdata/PG_VERSION")))
        command.process.kill()
        command.process.wait()
    wait_until(lambda: leftovers(story, copy)[2] == [])
    [left] = copy.home.glob("restore-*")
    assert copy.call("backup", "prune").returncode == 0
    assert not left.exists()


def test_only_folders_that_nobody_holds_are_deleted(tmp_path: Path) -> None:
    abandoned, other = tmp_path / "verify-abandoned", tmp_path / "postgres"
    for folder in (abandoned, other):
        (folder / "inside").mkdir(parents=True)
    with scratch_folder(tmp_path, purpose="restore") as first:
        assert not abandoned.exists()
        with scratch_folder(tmp_path, purpose="verify") as second:
            delete_abandoned(tmp_path)
            assert sorted(tmp_path.iterdir()) == sorted([first, second, other])
    assert list(tmp_path.iterdir()) == [other]


def test_the_wrong_key_is_told_and_nothing_is_left(story: Story, copy: Workplace) -> None:
    (copy.home / "backup-identity.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    _assert_refused(story, copy, "base.tar.zst.age is encrypted to another key")


@pytest.mark.long
def test_a_missing_segment_is_named(story: Story, copy: Workplace) -> None:
    path = _needed(copy)[0]
    path.unlink()
    _assert_refused(story, copy, f"lacks the segment {path.name.split('.')[0]}", "choose an earlier time")


@pytest.mark.long
def test_an_archive_that_ends_too_early_is_noticed(story: Story, copy: Workplace) -> None:
    _needed(copy)[1].unlink()
    _assert_refused(story, copy, "the archive of the WAL is not whole")
