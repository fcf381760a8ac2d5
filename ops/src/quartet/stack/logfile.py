"""A service's log on disk: a new one at each start, of limited size."""

from pathlib import Path

LARGEST = 8 * 1024 * 1024
KEPT = 3


class LogFile:
    """Appends lines to `path`; older ones are beside it as `.1` to `.3`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and path.stat().st_size:
            self._rotate()
        self._file = path.open("ab")

    def write(self, line: str) -> None:
        """Append a line. A full disk must not stop the service that is being logged."""
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            if self._file.tell() > LARGEST:
                self._file.close()
                self._rotate()
                self._file = self.path.open("ab")
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1) if number > 1 else self.path
            if newer.exists():
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
