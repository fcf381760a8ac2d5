"""A database that is stopped, changed or spoilt: each gives one clear line and its own exit code."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartet.home import Home
from quartet.postgres import Cluster
from quartet.processes import is_alive
from quartet.settings.operator import GENERATED
from quartet.settings.secrets_file import ensure_secrets
from tests.ops.command import Workplace, assert_refused, workplace
from tests.ops.places import FAST

pytestmark = pytest.mark.database


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
    (["payment", "check"], 10),
    (["payment", "reconcile"], 10),
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
