"""The launcher: starts a server that was made, after any kind of crash."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import asyncpg
import pytest

from quartet.errors import AlreadyRunning, OtherMajorVersion, PortTaken, ServerFailed
from quartet.postgres import Cluster
from quartet.postgres.cluster import LARGEST_LOG
from quartet.processes import is_alive, spawn
from tests.ops.places import FAST, PASSWORD, open_folder, runs_as_root

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def made_cluster() -> Iterator[Cluster]:
    """A cluster that is made once; tests start and stop it."""
    with open_folder() as place:
        cluster = Cluster(place / "cluster", settings=FAST)
        cluster.initialise(superuser_password=PASSWORD)
        yield cluster
        cluster.stop("immediate")


@pytest.fixture
def stopped_cluster(made_cluster: Cluster) -> Cluster:
    made_cluster.stop()
    return made_cluster


async def connect(cluster: Cluster, *, password: str = PASSWORD) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        host="127.0.0.1", port=cluster.port, user="postgres", password=password, database="postgres"
    )


async def test_server_answers_over_tcp_with_the_password_it_was_made_with(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    connection = await connect(stopped_cluster)
    assert (await connection.fetchval("SHOW server_version")).startswith(str(stopped_cluster.major))
    stored = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert stored.startswith("SCRAM-SHA-256$")
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(stopped_cluster, password="another")


async def test_server_has_the_settings_of_the_suite(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    connection = await connect(stopped_cluster)
    expected = {
        "listen_addresses": "127.0.0.1",
        "jit": "off",
        "log_error_verbosity": "terse",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
        "shared_preload_libraries": "pg_stat_statements",
        "TimeZone": "UTC",
    }
    found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in expected}
    await connection.close()
    assert found == expected


def test_initialising_twice_makes_it_once(stopped_cluster: Cluster) -> None:
    assert stopped_cluster.initialise(superuser_password="other") is False


def test_port_stays_the_same_from_start_to_start(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    before = stopped_cluster.port
    stopped_cluster.stop()
    stopped_cluster.start()
    assert stopped_cluster.port == before


def test_remembered_port_that_somebody_took_is_given_up(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    before = stopped_cluster.port
    stopped_cluster.stop()
    with socket.create_server(("127.0.0.1", before)):
        stopped_cluster.start()
        assert stopped_cluster.port != before


def test_port_that_was_asked_for_and_is_taken_is_told(made_cluster: Cluster) -> None:
    made_cluster.stop()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        wanting = Cluster(made_cluster.data_folder, port=port)
        with pytest.raises(PortTaken, match=f"port {port} .* is taken.*POSTGRES_PORT"):
            wanting.start()


def test_second_start_of_a_running_server_is_refused(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    second = Cluster(stopped_cluster.data_folder)
    with pytest.raises(AlreadyRunning, match=str(stopped_cluster.pid)):
        second.start()
    assert stopped_cluster.is_running()


def test_another_launcher_finds_and_stops_the_server(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    second = Cluster(stopped_cluster.data_folder)
    assert second.is_running()
    second.stop()
    assert not stopped_cluster.is_running()


async def test_kill_nine_loses_no_committed_row() -> None:
    with open_folder() as place:
        cluster = Cluster(place / "cluster")  # with fsync: this is what it is for
        cluster.initialise(superuser_password=PASSWORD)
        cluster.start()
        connection = await connect(cluster)
        await connection.execute("CREATE TABLE kept (number int)")
        await connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        await connection.close()
        os.kill(cluster.pid or 0, signal.SIGKILL)
        cluster.start()
        try:
            connection = await connect(cluster)
            assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
            await connection.close()
        finally:
            cluster.stop()


def test_server_ends_with_a_launcher_that_is_killed(made_cluster: Cluster) -> None:
    made_cluster.stop()
    script = (
        "import sys, time; from pathlib import Path; from quartet.postgres import Cluster\n"
        "cluster = Cluster(Path(sys.argv[1])); cluster.start(); print(cluster.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(made_cluster.data_folder)]
    with spawn(command, environment=os.environ, output=PIPE, signal_at_parents_death=None) as launcher:
        assert launcher.stdout is not None
        server = int(launcher.stdout.readline())
        assert is_alive(server)
        launcher.kill()
    wait_until(lambda: not is_alive(server))
    made_cluster.start()
    assert (
        "was not properly shut down" not in made_cluster.log_file.read_text().split("starting PostgreSQL")[-1]
    )


def test_pid_file_of_a_number_that_now_is_another_program_is_no_hindrance(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    os.kill(stopped_cluster.pid or 0, signal.SIGKILL)
    wait_until(lambda: not stopped_cluster.is_running())
    path = stopped_cluster.pgdata / "postmaster.pid"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not stopped_cluster.is_running()
    stopped_cluster.start()
    assert stopped_cluster.is_running()


def test_pid_file_of_a_zombie_is_no_hindrance(stopped_cluster: Cluster) -> None:
    """In a container nothing reaps a server whose launcher was killed: its process id stays in use for ever."""
    stopped_cluster.start()
    stopped_cluster.stop()
    with spawn(["true"], environment={}, output=PIPE, signal_at_parents_death=None) as zombie:
        wait_until(lambda: not is_alive(zombie.pid))
        (stopped_cluster.pgdata / "postmaster.pid").write_text(f"{zombie.pid}\n{stopped_cluster.pgdata}\n")
        stopped_cluster.start()
        assert stopped_cluster.is_running()


def test_socket_lock_of_a_number_that_now_is_another_program_or_a_zombie_is_no_hindrance(
    stopped_cluster: Cluster,
) -> None:
    account = stopped_cluster.account
    with spawn(["true"], account, environment={}, output=PIPE, signal_at_parents_death=None) as zombie:
        wait_until(lambda: not is_alive(zombie.pid))
        stranger = spawn(["sleep", "60"], account, environment={}, output=PIPE, signal_at_parents_death=None)
        with stranger:
            for pid in (zombie.pid, stranger.pid):
                lock = stopped_cluster.data_folder / f"socket/.s.PGSQL.{stopped_cluster.port}.lock"
                lock.write_text(f"{pid}\n{stopped_cluster.pgdata}\n")
                stopped_cluster.start()
                assert stopped_cluster.is_running()
                stopped_cluster.stop()
            stranger.kill()


def test_server_of_ours_that_is_killed_while_a_start_waits_for_it_is_reaped(stopped_cluster: Cluster) -> None:
    """A process id in use by a zombie would keep the next server of the same account from starting."""
    stopped_cluster.start()
    killed = stopped_cluster.pid or 0
    os.kill(killed, signal.SIGKILL)
    stopped_cluster.start()
    assert not Path(f"/proc/{killed}").exists()
    assert stopped_cluster.is_running()


def test_data_of_another_major_version_is_told_with_a_way_out(stopped_cluster: Cluster) -> None:
    path = stopped_cluster.pgdata / "PG_VERSION"
    true_version = path.read_text()
    path.write_text("14\n")
    try:
        with pytest.raises(OtherMajorVersion, match=r"of PostgreSQL 14, the programs here are .* PG_BINDIR"):
            stopped_cluster.start()
        with pytest.raises(OtherMajorVersion):
            stopped_cluster.initialise(superuser_password="x")
    finally:
        path.write_text(true_version)


def test_broken_configuration_is_told_in_one_line(stopped_cluster: Cluster) -> None:
    broken = Cluster(stopped_cluster.data_folder, settings={"max_connections": "many"})
    with pytest.raises(ServerFailed) as caught:
        broken.start()
    assert "did not start" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(
    not runs_as_root(), reason="takes two accounts: only root hands the server to another one"
)
def test_root_runs_the_server_as_somebody_else(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    status = Path(f"/proc/{stopped_cluster.pid}/status").read_text()
    owner = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    groups = next(line.split()[1:] for line in status.splitlines() if line.startswith("Groups:"))
    assert "0" not in owner
    assert "0" not in groups
    assert stopped_cluster.pgdata.stat().st_uid == int(owner[0])
    assert stopped_cluster.data_folder.stat().st_mode & 0o077 == 0


async def test_log_that_grew_large_is_set_aside_while_the_server_runs(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    stopped_cluster.limit_log()
    assert "ready to accept connections" in stopped_cluster.log_file.read_text()
    with stopped_cluster.log_file.open("ab") as log:
        log.write(b"x" * LARGEST_LOG)
    stopped_cluster.limit_log()
    assert stopped_cluster.log_file.stat().st_size == 0
    connection = await connect(stopped_cluster)
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await connection.execute("this is no statement")
    await connection.close()
    assert b"this is no statement" in stopped_cluster.log_file.read_bytes()
    assert b"\0" not in stopped_cluster.log_file.read_bytes()


def test_access_rules_are_read_by_the_running_server(stopped_cluster: Cluster) -> None:
    stopped_cluster.start()
    path = stopped_cluster.pgdata / "pg_hba.conf"
    before = path.read_text()
    assert stopped_cluster.set_access_rules(before) is False
    assert stopped_cluster.set_access_rules("host all all all reject\n") is True
    try:
        wait_until(lambda: _is_rejected(stopped_cluster.port))
    finally:
        stopped_cluster.set_access_rules(before)


def wait_until(condition: "object", *, seconds: float = 60) -> None:
    """Return once the condition holds; fail when it does not in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        threading.Event().wait(0.02)


def _is_rejected(port: int) -> bool:
    """The first answer to a start-up message of protocol 3.0 is an error (E), not a request for a password (R)."""
    body = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall((len(body) + 4).to_bytes(4, "big") + body)
        return connection.recv(1) == b"E"
