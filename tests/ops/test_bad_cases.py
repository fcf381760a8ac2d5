"""Faults before anything runs: each gives one clear line and its own exit code, and leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import quartet
from quartet.errors import Failure
from quartet.home import Home
from quartet.postgres import Cluster
from quartet.postgres.account import server_account
from quartet.processes import Account, is_alive, run
from quartet.settings.operator import GENERATED
from quartet.settings.secrets_file import ensure_secrets
from tests.ops.command import Workplace, workplace
from tests.ops.places import FAST, on_small_disk, runs_as_root

pytestmark = pytest.mark.database
NOBODY = Account("nobody", 65534, 65534)


@pytest.fixture
def place() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


@pytest.fixture(scope="module")
def made_place() -> Iterator[Workplace]:
    """A folder whose cluster was made by an earlier start."""
    with workplace() as place:
        home = Home(place.home)
        home.prepare()
        secrets = ensure_secrets(home.path, GENERATED)
        cluster = Cluster(home.cluster_folder(), settings=FAST)
        cluster.initialise(superuser_password=secrets["POSTGRES_PASSWORD"])
        yield place
        cluster.stop("immediate")


def assert_refused(done: subprocess.CompletedProcess[str], *, exit_code: int, says: list[str]) -> None:
    assert done.returncode == exit_code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("quartet: ")
    for words in says:
        assert words in lines[0]


def test_exit_codes_are_distinct() -> None:
    codes = [kind.exit_code for kind in Failure.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes
    assert Failure.exit_code not in codes


def test_taken_port_is_found_before_anything_starts_and_its_holder_named(place: Workplace) -> None:
    with socket.create_server(("127.0.0.1", place.ports["l2p"])):
        done = place.quartet("up")
    assert_refused(
        done, exit_code=3, says=[f"port {place.ports['l2p']} for l2p is taken", str(os.getpid()), "L2P_PORT"]
    )
    assert not (place.home / "postgres").exists()
    assert not (place.home / "secrets.env").exists()


def test_one_port_for_two_services_is_told(place: Workplace) -> None:
    done = place.call("up", L2P_PORT=str(place.ports["auth"]))
    assert_refused(done, exit_code=3, says=["is set for auth and for l2p", "L2P_PORT"])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("QUARTET_XYZZY", "1", "quartet config"),
        ("QUARTET_REPLICSA", "2", "did you mean QUARTET_REPLICAS?"),
        ("L2P_PORT", "http", "a whole number"),
        ("POSTGRES_PORT", "70000", "a whole number from 1 to 65535"),
        ("AUTH_DB_PASSWORD_FILE", "/nowhere", "cannot be read"),
        ("LOG_LEVEL", "loud", "debug"),
        ("QUARTET_ENV", "staging", "production"),
        ("DB_POOL_MIN", "many", "DB_POOL_MIN"),
        ("AUTH_SECRET", "short", "32 characters"),
    ],
)
def test_wrong_setting_is_told_with_the_likely_right_one(
    place: Workplace, name: str, value: str, says: str
) -> None:
    done = place.call("up", **{name: value})
    assert_refused(done, exit_code=2, says=[name, says])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("AUTH_PROT", "did you mean AUTH_PORT?"),
        ("DB_POOL_MAXIMUM", "DB_POOL_MAX"),
        ("AUTH_TOKEN", "`quartet config` lists"),
    ],
)
def test_unknown_name_in_the_file_stops_the_start(place: Workplace, name: str, says: str) -> None:
    (place.folder / ".env").write_text(f"{name}=1\n")
    assert_refused(place.call("up"), exit_code=2, says=[name, says])


def test_setting_of_another_program_in_the_environment_stops_nothing(place: Workplace) -> None:
    done = place.call("config", AUTH_TOKEN="x", L2P_URL="y", PAYMENT_KEY="z")
    assert (done.returncode, done.stderr) == (0, "")


def test_misspelt_setting_in_the_environment_is_told_and_stops_nothing(place: Workplace) -> None:
    done = place.call("config", AUTH_PROT="5500")
    assert done.returncode == 0
    assert done.stderr == "AUTH_PROT is no setting and has no effect: did you mean AUTH_PORT?\n"


def test_unknown_name_in_the_file_is_told_and_other_programs_names_are_not(place: Workplace) -> None:
    (place.folder / ".env").write_text("COMPOSE_PROJECT_NAME=x\nTZ=UTC\nLOG_LEVLE=debug\n")
    assert_refused(place.quartet("up"), exit_code=2, says=["LOG_LEVLE", "did you mean LOG_LEVEL?"])


@pytest.mark.parametrize("line", ["LOG_LEVEL", "this is no setting", "A B=1", "LOG_LEVEL='info"])
def test_line_of_the_file_that_is_no_setting_is_told_with_its_number(place: Workplace, line: str) -> None:
    (place.folder / ".env").write_text(f"# a comment\n\nTZ=UTC\n{line}\n")
    assert_refused(place.call("up"), exit_code=2, says=[".env, line 4", "NAME=value"])


def test_interrupt_at_any_time_of_the_start_leaves_no_traceback(place: Workplace) -> None:
    for delay in (0.05, 0.1, 0.2, 0.3, 0.5):
        with subprocess.Popen(
            [sys.executable, "-m", "quartet", "ps"],
            cwd=place.folder,
            env=place.environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=delay)  # the moments are the matter of this test
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        # A traceback of Python's own start names no file of ours, though the checkout may lie in a folder named quartet.
        assert str(Path(quartet.__file__).parent) not in told, told


_INTERRUPTED_IMPORT = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "signal":
            raise KeyboardInterrupt
del sys.modules["signal"]
sys.meta_path.insert(0, Interrupted())
runpy.run_module("quartet", run_name="__main__")
"""


def test_interrupt_during_the_first_imports_leaves_no_traceback() -> None:
    command = [sys.executable, "-c", f"import signal{_INTERRUPTED_IMPORT}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.fixture(scope="module")
def stopped_place(made_place: Workplace) -> Workplace:
    """The same after its server ran."""
    with Cluster(Home(made_place.home).cluster_folder(), settings=FAST).running():
        pass
    return made_place


_ASKING_POSTGRES = [
    (["db", "migrate"], 10),
    (["db", "status"], 1),
    (["db", "shell", "auth"], 1),
    (["auth", "grant", "ada@example.com", "admin"], 10),
    (["auth", "rotate-keys"], 10),
    (["auth", "rotate-keys", "--now"], 10),
]


@pytest.mark.parametrize(("command", "exit_code"), _ASKING_POSTGRES)
def test_stopped_stack_is_told_with_what_starts_it(
    stopped_place: Workplace, command: list[str], exit_code: int
) -> None:
    done = stopped_place.call(*command)
    assert_refused(done, exit_code=exit_code, says=["is stopped", "`quartet up` starts it"])


@pytest.mark.parametrize(
    ("command", "host"),
    [(["db", "migrate"], "nowhere.invalid"), *((command, "127.0.0.1") for command, _ in _ASKING_POSTGRES)],
)
def test_a_server_of_ones_own_that_does_not_answer_is_named(
    stopped_place: Workplace, command: list[str], host: str
) -> None:
    done = stopped_place.call(*command, POSTGRES_HOST=host, POSTGRES_PORT="1")
    assert_refused(done, exit_code=10, says=[f"no PostgreSQL answers at {host}:1", "POSTGRES_HOST"])
    assert "Errno" not in done.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "db shell auth --role king",
            "invalid value for '--role': 'king' is not one of 'user', 'owner', 'admin'",
        ),
        ("db shell", "missing argument 'service'. Choose from: auth, l2p, payment, videovault"),
        ("db migrate nosuch", "invalid value for 'services': 'nosuch' is not one of 'auth', 'l2p'"),
        ("logs -n few", "invalid value for '--lines' / '-n': Input should be a valid integer"),
        ("up --nope", "no such option: --nope"),
        ("dbb", "no such command 'dbb'. Did you mean 'db'?"),
    ],
)
def test_wrong_use_is_told_in_a_plain_line(place: Workplace, command: str, says: str) -> None:
    done = place.call(*command.split())
    assert_refused(done, exit_code=2, says=[f"quartet: {says}", "--help` shows what it takes"])


def test_group_without_a_command_shows_its_help(place: Workplace) -> None:
    done = place.quartet("db")
    assert (done.returncode, done.stderr) == (2, "")
    assert "migrate" in done.stdout


def test_provisioning_a_stopped_stack_is_refused_at_once(stopped_place: Workplace) -> None:
    beginning = time.monotonic()
    done = stopped_place.call("provision")
    assert_refused(done, exit_code=10, says=["is stopped", "`quartet up`"])
    assert time.monotonic() - beginning < 20, "it did not wait for what nobody starts"


def test_role_that_does_not_exist_is_told(made_place: Workplace) -> None:
    done = made_place.call("auth", "grant", "ada@example.com", "king", POSTGRES_HOST="127.0.0.1")
    assert_refused(done, exit_code=2, says=["no role 'king'", "user, editor, admin"])


def test_data_of_another_major_version_is_told(made_place: Workplace) -> None:
    path = made_place.home / "postgres/pgdata/PG_VERSION"
    true_version = path.read_text()
    path.write_text("14\n")
    try:
        assert_refused(made_place.quartet("up"), exit_code=4, says=["PostgreSQL 14", "PG_BINDIR"])
    finally:
        path.write_text(true_version)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is missing or empty"),
        (b"", "is missing or empty"),
        (b"\n", "is missing or empty"),
        (b"eighteen\n", "does not hold a version but 'eighteen'"),
        (b"\xff\x00\n" * 4096, "does not hold a version"),
    ],
)
def test_data_folder_whose_version_cannot_be_read_is_told_and_left_as_it_is(
    made_place: Workplace, content: bytes | None, says: str
) -> None:
    path = made_place.home / "postgres/pgdata/PG_VERSION"
    kept = path.rename(made_place.home / "PG_VERSION")
    if content is not None:
        path.write_bytes(content)
    before = sorted(path.parent.iterdir())
    try:
        done = made_place.call("up")
        assert_refused(done, exit_code=10, says=["damaged", str(path), says, "backup", "move it away"])
        assert sorted(path.parent.iterdir()) == before
    finally:
        kept.rename(path)


def test_changed_superuser_password_is_told(made_place: Workplace) -> None:
    done = made_place.quartet("up", POSTGRES_PASSWORD="another")
    assert_refused(done, exit_code=6, says=["refuses the password of postgres", "secrets.env"])
    assert not _processes_in(made_place.folder)


def test_lost_secrets_are_told_and_none_are_made_in_their_place(made_place: Workplace) -> None:
    path = made_place.home / "secrets.env"
    kept = path.rename(path.with_name("kept"))
    try:
        assert_refused(made_place.call("up"), exit_code=6, says=["secrets.env is gone", "put the file back"])
        assert not path.exists()
    finally:
        kept.rename(path)


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


PRODUCTION = {
    "QUARTET_ENV": "production",
    "AUTH_SMTP_HOST": "127.0.0.1",
    "AUTH_ISSUER": "https://auth.example.com",
    "L2P_ISSUER": "https://quiz.example.com",
}
"""What production wants before anything else is looked at."""


@pytest.mark.parametrize("password", ["password", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"])
def test_production_refuses_a_weak_password(place: Workplace, password: str) -> None:
    done = place.call("up", **PRODUCTION, AUTH_DB_PASSWORD=password)
    assert_refused(done, exit_code=2, says=["AUTH_DB_PASSWORD", "too weak for production"])


@pytest.mark.parametrize("issuer", ["http://auth.example.com", "http://localhost:5500", ""])
def test_production_refuses_an_issuer_that_is_not_https(place: Workplace, issuer: str) -> None:
    done = place.call("up", **PRODUCTION | {"AUTH_ISSUER": issuer})
    assert_refused(done, exit_code=2, says=["AUTH_ISSUER", "production needs https"])


def test_production_refuses_a_password_that_is_used_twice(place: Workplace) -> None:
    shared = "Nine-Lives-Of-A-Cat-7351"
    done = place.call("up", **PRODUCTION, AUTH_DB_PASSWORD=shared, L2P_DB_PASSWORD=shared)
    assert_refused(done, exit_code=2, says=["AUTH_DB_PASSWORD", "L2P_DB_PASSWORD", "the same"])


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


def _processes_in(folder: Path) -> list[int]:
    """Living processes that have the folder in their arguments or work in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            inside = (entry / "cwd").readlink().is_relative_to(folder)
        except OSError:
            continue
        if (
            (inside or str(folder) in arguments)
            and is_alive(int(entry.name))
            and int(entry.name) != os.getpid()
        ):
            found.append(int(entry.name))
    return found
