"""Folders and accounts for tests that start servers."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartet.processes import run

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SYSTEM_BINDIR = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "p@ss:/w%rd?#[]é '\\\" $x"


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="quartet-ops-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def on_small_disk(disk: Path, *, size: str) -> list[str]:
    """The prefix of a command that gets a disk of that size in the folder, visible to it alone. Skips where that cannot be made."""
    own = [] if runs_as_root() else ["--user", "--map-current-user", "--keep-caps"]
    mount = 'mount -t tmpfs -o "size=$0,mode=755" tmpfs "$1" && shift && exec "$@"'
    command = ["unshare", *own, "--mount", "sh", "-c", mount, size, str(disk)]
    if run([*command, "true"]).returncode != 0:
        pytest.skip("this machine lets no plain user mount a small disk, not even for itself")
    return command


def runs_as_root() -> bool:
    """Whether the tests run as root, so that another account runs the server."""
    return os.geteuid() == 0
