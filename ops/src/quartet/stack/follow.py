"""Shows the logs on disk, and follows them."""

import contextlib
import io
import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from quartet.errors import NotFound
from quartet.home import Home
from quartet.provision.plan import SERVICES
from quartet.stack.console import Console
from quartet.stack.programs import HELPERS

POLL_SECONDS = 0.2
TAIL_BYTES = 4 * 1024 * 1024


def show_logs(home: Home, names: Sequence[str], *, follow: bool, lines: int, console: Console) -> None:
    """Print the last lines of each log; with `follow` also new ones, until Ctrl-C. Raises NotFound."""
    files = {
        path.stem: path
        for service in (*SERVICES, *HELPERS)
        for path in sorted(home.logs.glob(f"{service}*.log"))
    }
    files = files or {service: home.logs / f"{service}.log" for service in SERVICES}
    files["postgres"] = home.cluster_folder() / "server.log"
    asked: dict[str, list[str]] = {name: _processes_of(name, files) for name in names}
    unknown = [name for name, processes in asked.items() if not processes]
    if unknown:
        raise NotFound(f"no log of {unknown[0]}: there are {', '.join(files)}")
    named = [process for processes in asked.values() for process in processes]
    chosen = {name: files[name] for name in (named or files) if names or name != "postgres"}
    if not follow and not any(path.exists() for path in chosen.values()):
        raise NotFound(f"there is no log in {home.logs} yet: run `quartet up`")
    with contextlib.ExitStack() as opened:
        tails = [opened.enter_context(_Tail(name, path)) for name, path in chosen.items()]
        for tail in tails:
            for line in tail.last(lines):
                console.show(tail.name, line)
        if follow:
            _follow(tails, console)


def _follow(tails: Sequence["_Tail"], console: Console) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for tail in tails:
                for line in tail.new():
                    console.show(tail.name, line)
            time.sleep(POLL_SECONDS)


def _processes_of(name: str, files: Iterable[str]) -> list[str]:
    """The processes that a name means: all of Auth for `auth`, one for `auth.2`."""
    return [each for each in files if each == name or each.partition(".")[0] == name]


class _Tail:
    """Reads one file on from the last position; a new file of the same name from its beginning."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._file: io.BufferedReader | None = None
        self._rest = b""
        self._open()

    def __enter__(self) -> "_Tail":
        return self

    def __exit__(self, *_fault: object) -> None:
        if self._file is not None:
            self._file.close()

    def last(self, count: int) -> list[str]:
        """The last lines of the file as it is now."""
        if self._file is None:
            return []
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(max(0, size - TAIL_BYTES))
        return list(deque(self._read_on(), maxlen=count))

    def new(self) -> list[str]:
        """Whole lines that were added since the last call."""
        found = self._read_on()
        if self._was_replaced():
            self._open()
            found += self._read_on()
        return found

    def _read_on(self) -> list[str]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def _open(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            opened = self._path.open("rb")
            if self._file is not None:
                self._file.close()
            self._file, self._rest = opened, b""

    def _was_replaced(self) -> bool:
        try:
            there = self._path.stat().st_ino
        except FileNotFoundError:
            return False
        return self._file is None or there != _inode(self._file)


def _inode(file: io.BufferedReader) -> int:
    return os.fstat(file.fileno()).st_ino
