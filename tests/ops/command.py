"""The real command `quartet`, each stack in a folder and on ports of its own.

Starting Python takes far longer than most commands. Tests of output and settings call the command in this process; tests of
exit codes, signals, streams and processes start a real one.
"""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartet.cli import app
from quartet.processes import run, spawn
from quartet.provision.plan import SERVICES
from quartet.settings.catalogue import GOVERNED_PREFIXES
from tests.clients import certificates
from tests.ops.places import open_folder
from tests.processes import free_ports

START_SECONDS = 120


def wait_until(condition: Callable[[], object], *, seconds: float = START_SECONDS) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def status_of(url: str) -> int:
    """The HTTP status that a GET is answered with; 0 when nobody answers."""
    try:
        return httpx.get(url, timeout=5, verify=certificates()).status_code
    except httpx.HTTPError:
        return 0


def _printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def _exit_code_of(command: Callable[[], None]) -> int:
    with pytest.raises(SystemExit) as caught:
        command()
    code = caught.value.code or 0
    assert isinstance(code, int), code
    return code


@contextlib.contextmanager
def _as_told(folder: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> Iterator[None]:
    """Give this process another folder, environment and command line, for the length of a block."""
    before, own_arguments = dict(os.environ), sys.argv
    _set_environment(environment)
    sys.argv = ["quartet", *arguments]
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.argv = own_arguments
        _set_environment(before)


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@contextlib.contextmanager
def _no_trace() -> Iterator[None]:
    """Fail when the block changes state that the next command in this process would see."""
    before = _shared_state()
    yield
    assert _shared_state() == before


def _shared_state() -> dict[str, object]:
    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "signals": {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        },
        "log handlers": list(logging.getLogger().handlers),
        "threads": {thread.name for thread in threading.enumerate()},
    }


@dataclass
class Workplace:
    """A folder to run the command in, and its settings."""

    folder: Path
    ports: dict[str, int]
    told: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / ".quartet"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without settings of the suite, and those of this workplace. The stand-in for Stripe is
        off unless it is told to run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(GOVERNED_PREFIXES)}
        ports = {f"{service.upper()}_PORT": str(port) for service, port in self.ports.items()}
        return kept | ports | {"STRIPE_STANDIN": "0"} | self.told

    def url(self, service: str, path: str) -> str:
        """The URL of a path of a service."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def quartet(self, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return run(
            [sys.executable, "-m", "quartet", *arguments],
            environment=self.environment | told,
            folder=self.folder,
            timeout_seconds=START_SECONDS,
        )

    def quartet_json(self, *arguments: str) -> Any:
        """What the command prints as JSON."""
        return _printed(self.quartet(*arguments, "--json"))

    def call(self, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
        """Call the command in this process, and expect it to leave no trace here."""
        with _as_told(self.folder, self.environment | told, arguments), _no_trace():
            stdout, stderr = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                exit_code = _exit_code_of(app)
        return subprocess.CompletedProcess(arguments, exit_code, stdout.getvalue(), stderr.getvalue())

    def call_json(self, *arguments: str) -> Any:
        """What the command, called in this process, prints as JSON."""
        return _printed(self.call(*arguments, "--json"))

    @contextlib.contextmanager
    def up(
        self, *, until: "Callable[[RunningStack], bool] | None" = None, **told: str
    ) -> Iterator["RunningStack"]:
        """`quartet up` in the foreground, ready (or what `until` says), for the length of a block."""
        output = (self.folder / "output").open("wb")
        process = spawn(
            [sys.executable, "-m", "quartet", "up"],
            environment=self.environment | told,
            output=output,
            signal_at_parents_death=signal.SIGTERM,
            folder=self.folder,
        )
        stack = RunningStack(self, process)
        try:
            wait_until(lambda: until(stack) if until else stack.is_ready_or_ended())
            assert process.poll() is None, stack.output
            yield stack
        finally:
            output.close()
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)


@dataclass
class RunningStack:
    """A running `quartet up`."""

    workplace: Workplace
    process: "subprocess.Popen[bytes]"

    @property
    def output(self) -> str:
        """Its output so far."""
        return (self.workplace.folder / "output").read_text()

    @property
    def state(self) -> dict[str, Any]:
        """Its run state."""
        try:
            found: dict[str, Any] = json.loads((self.workplace.home / "run.json").read_text())
        except FileNotFoundError:
            return {"state": "absent", "services": {}}
        return found

    def pids(self) -> list[int]:
        """All its processes: the supervisor, the server, the services."""
        state = self.state
        return [state["pid"], state["postgres"]["pid"], *(each["pid"] for each in state["services"].values())]

    def is_ready_or_ended(self) -> bool:
        """Whether the start has succeeded or failed."""
        return self.process.poll() is not None or (
            self.state["state"] == "ready" and self.state["pid"] == self.process.pid
        )


@contextlib.contextmanager
def workplace(**told: str) -> Iterator[Workplace]:
    """A fresh folder with ports of its own."""
    with open_folder() as folder:
        yield Workplace(folder, dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True)), told)


def assert_refused(done: subprocess.CompletedProcess[str], *, exit_code: int, says: list[str]) -> None:
    """One line on stderr, with these words, and the exit code."""
    assert done.returncode == exit_code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("quartet: ")
    for words in says:
        assert words in lines[0]
