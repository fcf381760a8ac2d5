"""One supervised service: its process, its log, whether it is ready, and when it may be started again."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from typing import IO, Literal

from quartet.processes import module_command, spawn
from quartet.reach import ask_readiness
from quartet.stack.console import Console, without_colour
from quartet.stack.logfile import LogFile

State = Literal["starting", "ready", "waiting", "stopped"]
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
GOOD_SECONDS = 30.0
"""Ready for so long, a service has proved itself: the next death is its first again."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  compared with, not bound to


class Program:
    """A service that is kept running."""

    def __init__(
        self,
        name: str,
        *,
        address: tuple[str, int],
        environment: Mapping[str, str],
        console: Console,
        log: LogFile,
    ) -> None:
        self.name = name
        self.state: State = "stopped"
        self.restarts = 0
        self.exit_code: int | None = None
        self.last_lines: collections.deque[str] = collections.deque(maxlen=5)
        self._host, self._port = _WILDCARDS.get(address[0], address[0]), address[1]
        self._environment = environment
        self._console = console
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._delay = FIRST_DELAY_SECONDS
        self._start_at = 0.0
        self._ready_since = 0.0

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the service."""
        host = "localhost" if self._host in ("127.0.0.1", "::1") else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def start(self) -> None:
        """Start the process. It dies with this one: it must not keep its port from the next stack."""
        self._process = spawn(
            module_command(self.name),
            environment=self._environment,
            output=subprocess.PIPE,
            signal_at_parents_death=signal.SIGKILL,
            folder=os.getcwd(),
        )
        self.state = "starting"
        if self._process.stdout is not None:
            self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
            self._reader.start()

    def look(self, *, now: float) -> bool:
        """Notice a death, a readiness, or that a delay is over; whether something changed."""
        if self.state == "waiting":
            if now < self._start_at:
                return False
            self.restarts += 1
            self.start()
            return True
        if self._process is not None and self._process.poll() is not None and self.state != "stopped":
            self._take_note_of_death(now)
            return True
        if self.state == "starting" and ask_readiness(self._host, self._port) == "ready":
            self.state, self._ready_since = "ready", now
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, and do not start the service again."""
        self.state = "stopped"
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def finish(self) -> None:
        """After the process ended: what it said last is read, and the log closed."""
        if self._reader is not None:
            self._reader.join(timeout=2)
        self._log.close()

    def _take_note_of_death(self, now: float) -> None:
        self.exit_code = self._process.returncode if self._process else None
        if self._reader is not None:
            self._reader.join(timeout=2)
        if self.state == "ready" and now - self._ready_since > GOOD_SECONDS:
            self._delay = FIRST_DELAY_SECONDS
        self.state, self._start_at = "waiting", now + self._delay
        self.note(f"{self.name} ended ({_spell(self.exit_code)}); it is started again in {self._delay:g} s")
        self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)

    def note(self, text: str) -> None:
        """Say something about the service, on the console and in its log."""
        self._console.say(text)
        self._log.write(f"[quartet] {text}")

    def _read(self, output: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError), output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip()
                plain = without_colour(line)
                self.last_lines.append(plain)
                self._log.write(plain)
                self._console.show(self.name, line)


def _spell(exit_code: int | None) -> str:
    if exit_code is None:
        return "unknown"
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
