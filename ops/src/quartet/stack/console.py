"""The output of `quartet up`: each line with the name of its program, in colour on a terminal."""

import contextlib
import os
import re
import sys
import threading
from typing import TextIO

OWN_NAME = "quartet"
_COLOURS = {OWN_NAME: "1", "auth": "36", "l2p": "33", "payment": "32", "videovault": "35", "postgres": "34"}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WIDTH = 12


def wants_colour(stream: TextIO) -> bool:
    """Whether it is a terminal, and NO_COLOR is not set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def without_colour(line: str) -> str:
    """A line without escape sequences, for files and pipes."""
    return _ESCAPES.sub("", line)


class Console:
    """Prints whole lines from several threads, and goes on when its reader has closed the pipe."""

    def __init__(self, stream: TextIO | None = None, *, own_lines_only: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._own_lines_only = own_lines_only
        self.colour = wants_colour(self._stream)
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """A line of the supervisor itself."""
        self.show(OWN_NAME, text)

    def show(self, name: str, line: str) -> None:
        """A line that the program `name` wrote."""
        if self._own_lines_only and name != OWN_NAME:
            return
        prefix = f"{name:<{_WIDTH}} |"
        if self.colour:
            prefix = f"\x1b[{_COLOURS.get(name.partition('.')[0], '0')}m{prefix}\x1b[0m"
        text = line if self.colour else without_colour(line)
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{prefix} {text}\n")
            self._stream.flush()
