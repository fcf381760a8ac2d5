"""The real command `quartet` in processes of its own, each stack in a folder and on ports of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from quartet.processes import run, spawn
from quartet.provision.plan import SERVICES
from quartet.settings.known import GOVERNED_PREFIXES
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
        return httpx.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0


@dataclass
class Workplace:
    """A folder to run the command in, and what it is told."""

    folder: Path
    ports: dict[str, int]
    told: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / ".quartet"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without settings of the suite, and those of this workplace."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(GOVERNED_PREFIXES)}
        ports = {f"{service.upper()}_PORT": str(port) for service, port in self.ports.items()}
        return kept | ports | self.told

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
        done = self.quartet(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

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
        """All that it printed so far."""
        return (self.workplace.folder / "output").read_text()

    @property
    def state(self) -> dict[str, Any]:
        """What it says about itself."""
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
        """Whether the start is over, one way or the other."""
        return self.process.poll() is not None or (
            self.state["state"] == "ready" and self.state["pid"] == self.process.pid
        )


@contextlib.contextmanager
def workplace(**told: str) -> Iterator[Workplace]:
    """A fresh folder with ports of its own."""
    with open_folder() as folder:
        yield Workplace(folder, dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True)), told)
