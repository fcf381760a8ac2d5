"""One supervised program: its declaration, process, log, readiness and restarts."""

import collections
import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from quartet.processes import spawn
from quartet.readiness import ask_readiness
from quartet.stack.console import Console, without_colour
from quartet.stack.logfile import LogFile
from quartet.stack.ports import INHERITED_LISTENERS, open_own_listener

State = Literal["blocked", "starting", "ready", "restarting", "stopped"]
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STABLE_SECONDS = 30.0
"""After being ready for so long, a program restarts with the first delay again."""


def is_service_ready(host: str, port: int) -> bool:
    """Whether `/readyz` answers 200."""
    return ask_readiness(host, port) == "ready"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A program of the stack. PostgreSQL runs and is migrated before the first one starts.

    `is_ready` gets the program's own address, on which only this process listens. `needs` names
    programs, or services with all their processes, that have to be ready before this one starts. `about` is told beside
    its URL once all are ready.
    """

    name: str
    service: str
    url: str
    command: Sequence[str]
    environment: Mapping[str, str]
    listener: socket.socket | None = None
    is_ready: Callable[[str, int], bool] = is_service_ready
    needs: Sequence[str] = ()
    about: str = ""


class Program:
    """Runs a declared program, and restarts it when it ends."""

    def __init__(self, declaration: Declaration, *, console: Console, log: LogFile) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.own_address = ("127.0.0.1", 0)
        self.state: State = "blocked"
        self.restarts = 0
        self.exit_code: int | None = None
        self.last_lines: collections.deque[str] = collections.deque(maxlen=5)
        self._console = console
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._delay = FIRST_DELAY_SECONDS
        self._start_at = 0.0
        self._ready_since = 0.0

    @property
    def pid(self) -> int | None:
        """The process id; None while none runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def describe(self) -> dict[str, object]:
        """The program's part of the run state; on `own_url` only this process answers."""
        host, port = self.own_address
        return {
            "service": self.declaration.service,
            "pid": self.pid,
            "url": self.declaration.url,
            "own_url": f"http://{host}:{port}",
            "state": self.state,
            "restarts": self.restarts,
        }

    def start(self) -> None:
        """Start the process. It ends with this one, so that the next stack finds its port free."""
        declared = self.declaration
        with open_own_listener() as own:
            self.own_address = own.getsockname()
            listeners = [each.fileno() for each in (declared.listener, own) if each is not None]
            told = {**declared.environment, INHERITED_LISTENERS: ",".join(map(str, listeners))}
            self._process = spawn(
                declared.command,
                environment=told,
                output=subprocess.PIPE,
                signal_at_parents_death=signal.SIGKILL,
                folder=os.getcwd(),
                descriptors=listeners,
            )
        self.state = "starting"
        if self._process.stdout is not None:
            self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
            self._reader.start()

    def poll(self, *, now: float) -> bool:
        """Check for an exit, for readiness, and for the end of a restart delay; whether the state changed."""
        if self.state == "restarting":
            if now < self._start_at:
                return False
            self.restarts += 1
            self.start()
            return True
        if self._process is not None and self._process.poll() is not None and self.state != "stopped":
            self._handle_exit(now)
            return True
        if self.state == "starting" and self.declaration.is_ready(*self.own_address):
            self.state, self._ready_since = "ready", now
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, and do not restart the program."""
        self.state = "stopped"
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def finish(self) -> None:
        """After the process ended: read its last output, and close the log."""
        if self._reader is not None:
            self._reader.join(timeout=2)
        self._log.close()

    def _handle_exit(self, now: float) -> None:
        self.exit_code = self._process.returncode if self._process else None
        if self._reader is not None:
            self._reader.join(timeout=2)
        if self.state == "ready" and now - self._ready_since > STABLE_SECONDS:
            self._delay = FIRST_DELAY_SECONDS
        self.state, self._start_at = "restarting", now + self._delay
        self.note(f"{self.name} ended ({_describe_exit(self.exit_code)}); restart in {self._delay:g} s")
        self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)

    def note(self, text: str) -> None:
        """Write a line about the program to the console and to its log."""
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


def start_unblocked(programs: Sequence[Program]) -> None:
    """Start each blocked program whose needs are ready."""
    for program in programs:
        needed = [
            each
            for each in programs
            if {each.name, each.declaration.service} & set(program.declaration.needs)
        ]
        if program.state == "blocked" and all(each.state == "ready" for each in needed):
            program.start()


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is None:
        return "unknown"
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
