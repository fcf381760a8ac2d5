"""PostgreSQL's own client programs, of the server's major version, and how they are run."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from quartet.errors import BackupFailed, OtherMajorVersion
from quartet.postgres.binaries import Binaries
from quartet.processes import open_pipe

_KILLED_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs, and whom they connect as. A password goes by the environment, which other users cannot read."""

    binaries: Binaries
    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def require_major(self, major: int) -> None:
        """Raises OtherMajorVersion unless the programs are of that version, as those of another may not read its data."""
        if self.binaries.major != major:
            raise OtherMajorVersion(
                f"the programs here are of PostgreSQL {self.binaries.major}, and {major} is needed: set PG_BINDIR to the"
                f" folder of the programs of {major}"
            )

    @contextlib.contextmanager
    def producing(self, program: str, *arguments: str) -> Iterator["Running"]:
        """A program whose output is read; ended with the block."""
        with _running(self, program, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
            yield running

    @contextlib.contextmanager
    def consuming(self, program: str, *arguments: str) -> Iterator["Running"]:
        """A program that reads what is written to it; ended with the block."""
        with _running(self, program, arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
            yield running

    @property
    def environment(self) -> Mapping[str, str]:
        """What the programs are told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGAPPNAME": "quartet backup",
            "PGCONNECT_TIMEOUT": "10",
            "LC_ALL": "C",
        }


class Running:
    """A program at work; `stream` is what it writes, or what it reads."""

    def __init__(
        self, name: str, process: "subprocess.Popen[bytes]", stream: IO[bytes], messages: IO[bytes]
    ) -> None:
        self.stream = stream
        self._name = name
        self._process = process
        self._messages = messages

    def finish(self) -> None:
        """Wait for the end. Raises BackupFailed with what the program said, unless it ended well."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._process.wait() != 0:
            raise BackupFailed(f"{self._name} failed ({self.told}): mend that, then try again")

    @property
    def has_ended(self) -> bool:
        """Whether the program has ended, one way or the other."""
        return self._process.poll() is not None

    def interrupt(self) -> None:
        """Have the program end in its own way, and wait for it."""
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_KILLED_SECONDS)

    @property
    def messages(self) -> str:
        """All that the program said so far."""
        self._messages.seek(0)
        return self._messages.read().decode(errors="replace")

    @property
    def told(self) -> str:
        """The line of its messages that says most."""
        lines = self.messages.splitlines()
        errors = [line for line in lines if re.search("error|fatal", line, re.IGNORECASE)] or lines
        return errors[0].strip() if errors else f"exit code {self._process.returncode}"


@contextlib.contextmanager
def _running(
    tools: Tools, program: str, arguments: tuple[str, ...], *, stdin: int, stdout: int
) -> Iterator[Running]:
    command: list[str | Path] = [tools.binaries.program(program), *arguments]
    with tempfile.TemporaryFile() as messages:
        process = open_pipe(
            command, environment=tools.environment, stdin=stdin, stdout=stdout, stderr=messages
        )
        stream = process.stdin or process.stdout
        if stream is None:
            raise RuntimeError("a pipe was asked for")
        try:
            yield Running(program, process, stream, messages)
        finally:
            if process.poll() is None:
                process.kill()  # of a restore nothing stays: it is one transaction
                process.wait(timeout=_KILLED_SECONDS)
            with contextlib.suppress(BrokenPipeError):
                stream.close()
