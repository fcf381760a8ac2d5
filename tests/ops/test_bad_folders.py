"""Folders and disks that hold no cluster: each gives one clear line, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys

import pytest

from quartet.home import Home
from quartet.postgres import Cluster
from quartet.postgres.account import server_account
from quartet.processes import Account, run
from tests.ops.command import Workplace, assert_refused
from tests.ops.places import FAST, on_small_disk, runs_as_root

pytestmark = pytest.mark.database

NOBODY = Account("nobody", 65534, 65534)


def test_absent_server_programs_are_told(place: Workplace) -> None:
    done = place.quartet("up", PG_BINDIR=str(place.folder))
    assert_refused(done, exit_code=9, says=["PG_BINDIR", "holds no postgres program"])


def test_state_folder_that_is_a_file_is_told(place: Workplace) -> None:
    (place.folder / "file").touch()
    done = place.call("up", QUARTET_HOME="file/home")
    assert_refused(done, exit_code=5, says=["file/home", "QUARTET_HOME"])


def test_state_folder_that_may_not_be_written_is_told(place: Workplace) -> None:
    done = place.quartet("up", QUARTET_HOME="/proc/quartet")
    assert_refused(done, exit_code=5, says=["/proc/quartet", "QUARTET_HOME"])


@pytest.mark.parametrize("command", ["up", "ps", "config"])
def test_state_folder_in_somebody_elses_private_home_is_told(place: Workplace, command: str) -> None:
    private = place.folder / "private"
    private.mkdir(mode=0o700 if runs_as_root() else 0)
    obeying: list[str] = []
    if runs_as_root():
        os.chown(private, NOBODY.uid, NOBODY.gid)
        # Root who may not override modes is as locked out as anybody.
        obeying = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = run(
        [*obeying, sys.executable, "-m", "quartet", command],
        environment=place.environment | {"QUARTET_HOME": str(private / "home")},
        folder=place.folder,
    )
    private.chmod(0o700)
    assert_refused(done, exit_code=5, says=[str(private / "home"), "cannot be entered", "set QUARTET_HOME"])


def start_on_small_disk(place: Workplace, *, size: str) -> subprocess.CompletedProcess[str]:
    """`quartet up` on a disk that is too small; what it left there stands on stdout."""
    disk = place.folder / "disk"
    disk.mkdir()
    start = '"$@"; code=$?; find "$0" 2>/dev/null; exit $code'
    return run(
        [*on_small_disk(disk, size=size), "sh", "-c", start, disk, sys.executable, "-m", "quartet", "up"],
        environment=place.environment | {"QUARTET_HOME": str(disk / "home")},
        folder=place.folder,
    )


@pytest.mark.parametrize("size", ["16k", "8m"])
def test_full_disk_is_told_and_the_next_start_is_not_hindered(place: Workplace, size: str) -> None:
    done = start_on_small_disk(place, size=size)
    assert_refused(done, exit_code=8, says=["disk", "free some space"])
    assert str(place.folder / "disk") in done.stdout
    assert "home/postgres/pgdata" not in done.stdout


@pytest.mark.long
def test_disk_that_is_full_after_the_cluster_was_made_is_told(place: Workplace) -> None:
    disk = place.folder / "disk"
    disk.mkdir()
    # Roomy enough for the cluster, and for the server's programs beside it where they have to be copied.
    quartet = f"{sys.executable} -m quartet"
    story = f"""
        {quartet} up --detach && {quartet} down || exit 97
        cat /dev/zero > "$0/filler" 2>/dev/null && exit 98
        {quartet} up
    """
    done = run(
        [*on_small_disk(disk, size="512m"), "sh", "-c", story, disk],
        environment=place.environment | {"QUARTET_HOME": str(disk / "home")},
        folder=place.folder,
    )
    assert_refused(done, exit_code=8, says=["disk", "free some space"])


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        (["ps"], 1),
        (["down"], 0),
        (["dsn", "auth"], 13),
        (["db", "status"], 13),
        (["health"], 1),
        (["logs"], 13),
    ],
)
def test_commands_on_a_folder_where_nothing_ever_ran(
    place: Workplace, command: list[str], exit_code: int
) -> None:
    done = place.call(*command)
    assert done.returncode == exit_code
    assert "Traceback" not in done.stderr
    assert not place.home.exists()


@pytest.mark.skipif(
    not runs_as_root(), reason="takes two accounts: only root hands the server to another one"
)
def test_roots_private_home_gets_its_cluster_where_the_servers_user_can_reach_it(place: Workplace) -> None:
    private = place.folder / "private"
    private.mkdir(mode=0o700)
    home = Home(private / ".quartet", shared_state=place.folder / "shared")
    home.prepare()
    chosen = home.cluster_folder()
    assert chosen.parent == place.folder / "shared"
    assert private.stat().st_mode & 0o777 == 0o700
    cluster = Cluster(chosen, settings=FAST)
    cluster.initialise(superuser_password="x" * 32)
    private.chmod(0o755)
    assert Home(private / ".quartet", shared_state=place.folder / "shared").cluster_folder() == chosen
    shutil.rmtree(private)
    private.mkdir(mode=0o700)
    home.prepare()
    assert home.cluster_folder() != chosen, "a forgotten cluster is not taken over"


def test_plain_users_cluster_lies_in_its_state_folder(place: Workplace) -> None:
    home = Home(place.home)
    home.prepare()
    assert home.cluster_folder() == place.home / "postgres"
    assert server_account() is None or place.home.stat().st_mode & 0o001
