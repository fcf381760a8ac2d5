"""Folders and accounts for tests that start servers."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SYSTEM_BINDIR = Path("/usr/lib/postgresql/15/bin")


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may pass through, unlike pytest's own; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="quartet-ops-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def runs_as_root() -> bool:
    """Whether the tests run as root, who must hand the server to another account."""
    return os.geteuid() == 0
