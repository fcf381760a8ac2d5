"""Folders of throw-away servers: gone at the end, or by the next command when that one was killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIXES = ("restore-", "verify-")


@contextlib.contextmanager
def scratch_folder(parent: Path, *, purpose: str) -> Iterator[Path]:
    """A folder below `parent` for the length of the block. `purpose`: `restore` or `verify`."""
    with _locked(parent):
        _delete_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
        held = _try_lock(folder)
    try:
        folder.chmod(0o711)  # run by root, the server belongs to another user
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def delete_abandoned(parent: Path) -> None:
    """Delete the folders that killed commands left: whoever uses one holds a lock on it, which ends with the process."""
    if parent.is_dir():
        with _locked(parent):
            _delete_abandoned(parent)


def _delete_abandoned(parent: Path) -> None:
    for prefix in _PREFIXES:
        for folder in parent.glob(f"{prefix}*"):
            held = _try_lock(folder)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder; None when another process does, or it is not to be opened."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


@contextlib.contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Nobody deletes a folder that another has made and not locked yet."""
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
