"""The state folder (QUARTET_HOME): its files, and the lock of the stack that runs on it."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quartet.errors import AlreadyRunning, DiskFull, NoPermission
from quartet.postgres.account import can_enter, server_account
from quartet.processes import is_alive

SHARED_STATE = Path("/var/lib/quartet")
"""The place of root's clusters when the server's user cannot enter the state folder."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

LOCK_PATIENCE_SECONDS = 0.5  # `quartet ps` takes the lock for an instant


class Home:
    """The state folder of one stack: `secrets.env`, `run.json`, `logs/`, `passwords/`, and the cluster or where it lies."""

    def __init__(self, path: Path, *, shared_state: Path = SHARED_STATE) -> None:
        self.path = path.absolute()
        self._shared_state = shared_state
        self.logs = self.path / "logs"
        self.passwords = self.path / "passwords"
        self.run_file = self.path / "run.json"
        self.remembered_settings = self.path / "known-settings.json"
        self.remembered_revisions = self.path / "revisions.json"
        self.remembered_tables = self.path / "append-only-tables.json"
        self._lock_file = self.path / "lock"
        self._location = self.path / "postgres.location"

    def prepare(self) -> None:
        """Make the folder and its log folder. Raises NoPermission or DiskFull."""
        try:
            # 0711 for root: the server's user has to pass through it.
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".write-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull(
                    f"the disk of {self.path} is full: make room, or set QUARTET_HOME to another disk"
                ) from error
            raise NoPermission(
                f"no permission to write in {self.path} ({error.strerror}):"
                " set QUARTET_HOME to a folder of yours, or run from one"
            ) from error

    def cluster_folder(self) -> Path:
        """The folder of the database cluster, which may not exist yet: in here, else (root in a private home) below /var/lib/quartet.

        The choice is kept in `postgres.location`: modes of parent folders may change later.
        """
        with contextlib.suppress(FileNotFoundError):
            return Path(self._location.read_text().strip())
        inside = self.path / "postgres"
        if inside.is_dir() or not self.path.is_dir() or can_enter(self.path, server_account()):
            return inside
        folder = self._new_shared_folder()
        self._location.write_text(f"{folder}\n")
        return folder

    def _new_shared_folder(self) -> Path:
        self._shared_state.mkdir(mode=0o755, parents=True, exist_ok=True)
        name = hashlib.sha256(bytes(self.path)).hexdigest()[:12]
        for number in range(1, 1000):  # never one that a deleted state folder left behind
            folder = self._shared_state / (name if number == 1 else f"{name}-{number}")
            if not folder.exists():
                return folder
        raise NoPermission(f"{self._shared_state} is full of left-over folders of {self.path}: delete them")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder for one running stack. Raises AlreadyRunning when another has locked it."""
        with self._lock_file.open("a+") as file:
            deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
            while not _try_lock(file.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    holder = self.run_state().get("pid")
                    who = f" (process {holder})" if holder else ""
                    raise AlreadyRunning(
                        f"`quartet up` already runs on {self.path}{who}: `quartet down` stops it,"
                        " or set another QUARTET_HOME"
                    )
                time.sleep(0.02)
            yield

    def is_held(self) -> bool:
        """Whether a stack runs on this folder now."""
        try:
            with self._lock_file.open() as file:
                return not _try_lock(file.fileno(), fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except PermissionError:
            return is_alive(int(self.run_state().get("pid", 0)) or -1)

    def run_state(self) -> dict[str, Any]:
        """What the running stack wrote about itself; empty when none did."""
        try:
            found = json.loads(self.run_file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_run_state(self, state: dict[str, Any]) -> None:
        """Replace the file of `run_state` in one step."""
        unfinished = self.run_file.with_suffix(".new")
        unfinished.write_text(json.dumps(state, indent=2) + "\n")
        unfinished.replace(self.run_file)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
