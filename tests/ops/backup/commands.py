"""The command at work in the background."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quartet.processes import spawn
from tests.ops.command import START_SECONDS, Workplace


@dataclass
class StartedCommand:
    """A process, and where its output goes."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def output(self) -> str:
        """What it said so far."""
        return self.log.read_text()

    def end(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(timeout=START_SECONDS)


@contextlib.contextmanager
def started(place: Workplace, *arguments: str, **told: str) -> Iterator[StartedCommand]:
    """`quartet` with these arguments, ended with the block at the latest."""
    log = place.folder / f"{'-'.join(arguments[:2])}.log"
    with log.open("wb") as output:
        process = spawn(
            [sys.executable, "-m", "quartet", *arguments],
            environment=place.environment | told,
            output=output,
            signal_at_parents_death=signal.SIGKILL,
            folder=place.folder,
        )
    try:
        yield StartedCommand(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
