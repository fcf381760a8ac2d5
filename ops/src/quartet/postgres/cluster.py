"""One embedded server and its folder: creates, starts and stops it, also after a crash of either side."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from quartet.errors import (
    AlreadyRunning,
    NoPermission,
    OtherMajorVersion,
    PortTaken,
    ServerFailed,
)
from quartet.postgres.account import can_enter, hand_over, server_account
from quartet.postgres.binaries import Binaries, find_binaries, readable_copy
from quartet.postgres.configuration import server_settings, write_settings
from quartet.postgres.error_messages import failure_from_output, translate_os_errors
from quartet.processes import exists, is_alive, run, spawn

HOST = "127.0.0.1"
SUPERUSER = "postgres"
StopMode = Literal["fast", "immediate", "smart"]
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "smart": signal.SIGTERM}
START_SECONDS = 120.0  # recovery after a crash counts
STOP_SECONDS = 60.0
READY = ("ready", "standby")
DYING_SECONDS = 1.0  # what a killed process takes to be gone
LARGEST_LOG = 16 * 1024 * 1024


class Cluster:
    """An embedded PostgreSQL server in a folder: `pgdata`, `socket`, `port`, `server.log` lie in `data_folder`.

    Run by root the server and its folder belong to an unprivileged user. It listens on 127.0.0.1 only, on
    `port` or else on a free one, which it keeps from start to start unless another program takes it. `settings` add to
    or replace those of the configuration. The server ends with the process that started it, even by SIGKILL.
    """

    def __init__(
        self,
        data_folder: Path,
        *,
        binaries: Binaries | None = None,
        port: int | None = None,
        max_connections: int = 100,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_folder = data_folder.absolute()
        self.max_connections = max_connections
        self.settings = dict(settings or {})
        self.account = server_account()
        self._binaries = binaries or find_binaries()
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.data_folder / "pgdata"

    @property
    def log_file(self) -> Path:
        """Where the server writes its log; the one before the last start is beside it, ending in `.1`."""
        return self.data_folder / "server.log"

    @property
    def binaries(self) -> Binaries:
        """The programs in use: a copy within the data folder when the server's user cannot run the originals."""
        if self.data_folder.is_dir():
            self._binaries = readable_copy(
                self._binaries, self.data_folder / "programs", account=self.account
            )
        return self._binaries

    @property
    def major(self) -> int:
        """The version of the programs in use."""
        return self._binaries.major

    @property
    def port(self) -> int:
        """The TCP port of the last start. Raises ServerFailed when there was none."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.data_folder.joinpath("port").read_text())
        raise ServerFailed(
            f"the server in {self.data_folder} was never started: start it first (`quartet up`)"
        )

    @property
    def pid(self) -> int | None:
        """The process of the running server, whoever started it; None when it does not run."""
        try:
            pid = int(self.pgdata.joinpath("postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if is_alive(pid) and self._is_ours(pid) else None

    def is_running(self) -> bool:
        """Whether the server's process is there; it may still be starting or recovering."""
        return self.pid is not None

    def is_initialised(self) -> bool:
        """Whether the data folder holds a cluster, of any version, even a damaged one."""
        return self.pgdata.is_dir() and any(self.pgdata.iterdir())

    def initialise(self, *, superuser_password: str) -> bool:
        """Create the cluster if it does not exist; whether this call did.

        Raises OtherMajorVersion, NoPermission, DiskFull or ServerFailed. A half-made folder is made anew.
        """
        with translate_os_errors(self.data_folder):
            self._prepare_folder()
            if self.is_initialised():
                self._check_version()
                return False
            self._initdb(superuser_password)
        return True

    def start(self) -> None:
        """Start the server and return once it answers. Waits first for a server that a killed parent left to end.

        Raises AlreadyRunning, PortTaken (a port that was asked for), DiskFull, NoPermission or ServerFailed.
        Call it from the main thread: the server ends with the thread that started it.
        """
        with translate_os_errors(self.data_folder):
            self._prepare_folder()
            self._check_version()
            self._wait_for_former_server()
            self._remove_stale_pid_files()
            self._rotate_log()
            deadline = time.monotonic() + START_SECONDS
            while not self._try_start(deadline):
                time.sleep(0.2)

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server, also one that another process started, and wait for its end. `immediate` makes the next start recover."""
        pid = self._process.pid if self._process and self._process.poll() is None else self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, STOP_SIGNALS[mode])
        deadline = time.monotonic() + STOP_SECONDS
        while self._still_there(pid):
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"PostgreSQL (process {pid}) did not stop in {STOP_SECONDS:.0f} s: see {self.log_file}"
                )
            time.sleep(0.01)
        self._process = None

    def restart(self) -> None:
        """Start a server that ended on the same port, the only one that its clients know."""
        self._wanted_port = self.port
        self.start()

    def limit_log(self) -> None:
        """Keep the log of a long-running server from filling the disk: move a large one aside, and begin anew.

        The server appends to the same open file, so it is copied and truncated; lines written in between may be lost.
        """
        with contextlib.suppress(OSError):
            if self.log_file.stat().st_size > LARGEST_LOG:
                shutil.copyfile(self.log_file, self._older_log())
                os.truncate(self.log_file, 0)

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        """Run the server for the length of a `with` block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def set_access_rules(self, rules: str) -> bool:
        """Write pg_hba.conf and have a running server read it; whether it had to change."""
        path = self.pgdata / "pg_hba.conf"
        if path.read_text() == rules:
            return False
        unfinished = path.with_suffix(".new")
        unfinished.write_text(rules)
        unfinished.chmod(0o600)
        hand_over(unfinished, self.account)
        unfinished.rename(path)
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGHUP)
        return True

    def _prepare_folder(self) -> None:
        if not self.data_folder.is_dir():
            self.data_folder.mkdir(mode=0o700, parents=True)
            hand_over(self.data_folder, self.account)
        if not can_enter(self.data_folder, self.account):
            who = (
                f"the user {self.account.name}, who runs the server for root,"
                if self.account
                else "this user"
            )
            raise NoPermission(f"{who} cannot enter {self.data_folder}: choose another QUARTET_HOME")
        if not self.account and not os.access(self.data_folder, os.W_OK):
            raise NoPermission(
                f"{self.data_folder} is not writable: fix its permissions, or set QUARTET_HOME"
            )

    def _check_version(self) -> None:
        if not self.is_initialised():
            raise ServerFailed(f"{self.data_folder} holds no database cluster yet: run `quartet up`")
        found = self._read_version()
        if found != str(self._binaries.major):
            raise OtherMajorVersion(
                f"the data in {self.pgdata} is of PostgreSQL {found}, the programs here are {self._binaries.major}:"
                f" set PG_BINDIR to the programs of {found}, or dump with them and restore into a new QUARTET_HOME"
            )

    def _read_version(self) -> str:
        path = self.pgdata / "PG_VERSION"
        try:
            found = path.read_bytes().decode(errors="replace").strip()
        except (FileNotFoundError, IsADirectoryError):
            found = ""
        if not re.fullmatch(r"\d{1,2}(\.\d)?", found, re.ASCII):
            fault = f"does not hold a version but {found[:20]!r}" if found else "is missing or empty"
            raise ServerFailed(
                f"the data folder is damaged: {path} {fault}: restore {self.pgdata} from a backup, or move it away, after"
                " which `quartet up` makes an empty one"
            )
        return found

    def _initdb(self, superuser_password: str) -> None:
        unfinished = self.data_folder / "pgdata.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        with self._password_file(superuser_password) as password_file:
            command = [
                *(self.binaries.program("initdb"), f"--pgdata={unfinished}", f"--username={SUPERUSER}"),
                *(f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
                *("--data-checksums", "--no-instructions"),
                *(("--no-sync",) if self.settings.get("fsync") == "off" else ()),
            ]
            result = run(command, self.account, environment=_environment())
        if result.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise failure_from_output("initdb failed", result.stderr or result.stdout, where=self.data_folder)
        unfinished.rename(self.pgdata)  # last, when everything is on disk: a cluster is whole or absent

    @contextlib.contextmanager
    def _password_file(self, password: str) -> Iterator[Path]:
        descriptor, name = tempfile.mkstemp(dir=self.data_folder, prefix="initdb-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(password + "\n")
            hand_over(Path(name), self.account)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _try_start(self, deadline: float) -> bool:
        """Try to start it once; False when another try may succeed: a former server is ending, or the free port was taken."""
        port = self._choose_port()
        self._configure(port)
        beginning = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = spawn(
                [self.binaries.program("postgres"), "-D", self.pgdata],
                self.account,
                environment=_environment(),
                output=log,
                signal_at_parents_death=signal.SIGINT,
            )
        if self._wait_until_ready(deadline):
            return True
        told = self.log_file.read_bytes()[beginning:].decode(errors="replace")
        leftover = "is still in use" in told or "is another postmaster" in told.lower()
        raced = "Address already in use" in told and self._wanted_port is None
        if (leftover or raced) and time.monotonic() < deadline:
            return False
        raise failure_from_output("PostgreSQL did not start", told, where=self.log_file)

    def _configure(self, port: int) -> None:
        socket_folder = self.data_folder / "socket"
        socket_folder.mkdir(mode=0o700, exist_ok=True)
        hand_over(socket_folder, self.account)
        chosen = server_settings(
            self.binaries, port=port, max_connections=self.max_connections, socket_folder=socket_folder
        )
        write_settings(self.pgdata, chosen | self.settings)
        self.data_folder.joinpath("port").write_text(f"{port}\n")
        for name in ("postgresql.conf", "quartet.conf"):
            hand_over(self.pgdata / name, self.account)

    def _wait_until_ready(self, deadline: float) -> bool:
        """Wait until the last line of postmaster.pid says `ready`, as pg_ctl does; False when the server ended."""
        process, pid_file = self._process, self.pgdata / "postmaster.pid"
        if process is None:
            return False
        while process.poll() is None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = pid_file.read_text().splitlines()
                if int(lines[0]) == process.pid and lines[7].strip() in READY:
                    return True
            if time.monotonic() > deadline:
                self.stop("immediate")
                raise ServerFailed(f"PostgreSQL was not ready in {START_SECONDS:.0f} s: see {self.log_file}")
            time.sleep(0.01)
        return False

    def _choose_port(self) -> int:
        if self._wanted_port is not None:
            if not _is_free(self._wanted_port):
                raise PortTaken(
                    f"port {self._wanted_port} of {HOST} is taken: stop what listens there, or choose another POSTGRES_PORT"
                )
            return self._wanted_port
        with contextlib.suppress(ServerFailed):
            if _is_free(self.port):
                return self.port
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return int(probe.getsockname()[1])

    def _wait_for_former_server(self) -> None:
        """Wait for a server that ends because its launcher was killed. Raises AlreadyRunning for one that goes on."""
        beginning = time.monotonic()
        while self.is_running():
            patience = STOP_SECONDS if self._recorded_state() == "stopping" else DYING_SECONDS
            if time.monotonic() - beginning > patience:
                raise AlreadyRunning(
                    f"PostgreSQL already runs in {self.data_folder} (process {self.pid}): stop that one first"
                )
            time.sleep(0.02)
        if self._process is not None:
            # Reap our child: the new server would take the number of a zombie for a running process.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP_SECONDS)

    def _recorded_state(self) -> str:
        """The state in the server's pid file: starting, ready or stopping."""
        try:
            return self.pgdata.joinpath("postmaster.pid").read_text().splitlines()[7].strip()
        except (OSError, IndexError):
            return ""

    def _remove_stale_pid_files(self) -> None:
        """Remove pid files whose number now belongs to another program or a zombie: they would keep the server from starting.

        If processes of the former server still run, their shared memory keeps the new one from starting.
        """
        locks = self.data_folder.joinpath("socket").glob(".s.PGSQL.*.lock")
        for path in (self.pgdata / "postmaster.pid", *locks):
            with contextlib.suppress(OSError, ValueError):
                pid = abs(int(path.read_text().split("\n", 1)[0]))
                if exists(pid) and not (is_alive(pid) and self._is_ours(pid)):
                    path.unlink()

    def _is_ours(self, pid: int) -> bool:
        """Whether that process is the server of this folder: PostgreSQL's current folder is its data folder."""
        if self._process is not None and self._process.pid == pid:
            return True
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.pgdata.resolve()
        except PermissionError:
            return False  # another user's process: PostgreSQL decides the same
        except OSError:
            return not Path("/proc/self").exists()  # without /proc, believe the file

    def _still_there(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return is_alive(pid)

    def _older_log(self) -> Path:
        return self.log_file.with_suffix(".log.1")

    def _rotate_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LARGEST_LOG:
            self.log_file.replace(self._older_log())


def _environment() -> dict[str, str]:
    """A fixed environment: none of the caller's secrets, and no PGDATA or PGPORT, which PostgreSQL would follow."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server binds: connections of a former one in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
