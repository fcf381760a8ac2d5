"""The README's first requests, run as printed, before and after a kill and a restart."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import certificates
from tests.processes import free_ports

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
PORTS = {"auth": 5500, "l2p": 3001, "payment": 3004, "videovault": 5100}
QUARTET = [sys.executable, "-m", "quartet"]


class Stack:
    """`quartet up` in a new folder, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        # Not among the services: it has no `/readyz` that waits for a database.
        self.standin_port = free_ports(1)[0]
        kept = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "PG_BINDIR", "LANG"}
        }
        self.environment = kept | {f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        self.environment["STRIPE_STANDIN_PORT"] = str(self.standin_port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*QUARTET, "up"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while not all(self.is_ready(port) for port in self.ports.values()):
            output = (self.folder / "up.log").read_text()
            assert self._process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)

    @staticmethod
    def is_ready(port: int) -> bool:
        try:
            return (
                httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, verify=certificates()).status_code
                == 200
            )
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """kill -9 of the whole process group."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)

    def run_lines(self, lines: str) -> list[object]:
        """The JSON answers of the README's curl lines, in their order."""
        for name, port in PORTS.items():
            lines = lines.replace(f"localhost:{port}", f"127.0.0.1:{self.ports[name]}")
        lines = lines.replace("localhost:8420", f"127.0.0.1:{self.standin_port}")
        lines = lines.replace(".venv/bin/quartet", " ".join(QUARTET))
        # Each answer on a line of its own; a service's refusal is a failure of the block.
        lines = re.sub(r"^curl -sS ", r"curl -sS --fail-with-body -w '\\n' ", lines, flags=re.MULTILINE)
        result = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", lines],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


@pytest.fixture
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="quartet-readme-") as folder:
        Path(folder).chmod(0o711)
        stack = Stack(Path(folder))
        try:
            stack.start()
            yield stack
        finally:
            subprocess.run(
                [*QUARTET, "down"], cwd=folder, env=stack.environment, capture_output=True, timeout=60
            )
            stack.kill()


def first_requests() -> str:
    text = (ROOT / "README.md").read_text()
    section = text.partition("## The first requests")[2]
    return section.partition("```sh\n")[2].partition("```")[0]


def test_first_requests_ask_for_no_recent_curl() -> None:
    options = set(re.findall(r"(?<= )--?[A-Za-z-]+", "\n".join(re.findall(r"curl .*", first_requests()))))
    assert options <= {"-sS", "-H", "-d", "-c"}, "--json came with curl 7.82; -c is python3's"


@pytest.mark.database
def test_first_requests_work_as_printed_and_their_rows_survive_a_kill(stack: Stack) -> None:
    before = stack.run_lines(first_requests())
    stack.kill()
    stack.start()
    after = stack.run_lines(first_requests())
    kinds = [set(answer) for answer in before if isinstance(answer, dict)]
    assert len(kinds) == 6
    assert kinds == [set(answer) for answer in after if isinstance(answer, dict)]
    order = before[4]
    assert isinstance(order, dict)
    assert (order["status"], order["amount_paid"], order["currency"]) == ("paid", "40.28", "eur")
    library = after[-1]
    assert isinstance(library, dict)
    assert len(library["items"]) == 2, "the video of before the kill is gone"
