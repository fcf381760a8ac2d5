"""A throw-away Valkey or Redis (Debian's package `valkey-server` or `redis-server`); `.ci/run` installs one."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quartet.processes import spawn
from tests.processes import START_SECONDS, free_port

PASSWORD = "a pass/word@of:the#tests"
URL_PASSWORD = "a%20pass%2Fword%40of%3Athe%23tests"


@dataclass
class RedisServer:
    """A server that can be killed, started again, and frozen."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, password: str = URL_PASSWORD) -> str:
        """What `REDIS_URL` is set to."""
        return f"redis://:{password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections. Call this from the main thread."""
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        self.process = spawn(
            [self.program, *place, "--save", "", "--appendonly", "no", "--requirepass", PASSWORD],
            environment=dict(os.environ),
            output=subprocess.DEVNULL,
            signal_at_parents_death=signal.SIGKILL,
        )
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.program} does not run")

    def kill(self) -> None:
        """End it at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs it takes connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """A running server. Without its program the test is skipped; in CI, which installs it, it fails."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        missing = "there is no Valkey or Redis: install the package `valkey-server` or `redis-server`"
        if os.environ.get("REQUIRE_REDIS"):
            pytest.fail(missing)
        pytest.skip(missing)
    server = RedisServer(program, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
