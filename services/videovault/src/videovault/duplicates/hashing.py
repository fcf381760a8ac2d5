"""Reading whole files. Disks are waited for: call on a thread."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from blake3 import blake3

from dbcommon.rows import AnyRow
from videovault.files.identity import FileFacts, facts_of
from videovault.files.opening import NotInRoot, open_below
from videovault.files.paths import to_bytes

CHUNK = 4 * 1024 * 1024
"""Bytes that are read at once."""


class ReadingStopped(Exception):
    """It was told to stop."""


def open_file(row: AnyRow, *, allowed: Sequence[bytes]) -> int:
    """A descriptor of a video's file. Raises `NotInRoot`, and OSError."""
    if row.root_path is None:
        raise NotInRoot
    root = row.root_path_bytes or to_bytes(row.root_path)
    return open_below(root, row.path_bytes or to_bytes(row.file_path), allowed=allowed)


def read_facts(row: AnyRow, *, allowed: Sequence[bytes]) -> FileFacts | None:
    """The facts of a video's file; None when it cannot be opened."""
    try:
        file = open_file(row, allowed=allowed)
    except (NotInRoot, OSError):
        return None
    try:
        return facts_of(os.fstat(file))
    finally:
        os.close(file)


def read_proof(row: AnyRow, *, allowed: Sequence[bytes], is_stopped: Callable[[], bool]) -> dict[str, Any]:
    """The hash of a video's file and its facts, or the `detail` why there is none. Raises `ReadingStopped`."""
    try:
        file = open_file(row, allowed=allowed)
    except NotInRoot:
        return {"detail": "it is not in a root"}
    except OSError as error:
        return {"detail": f"it cannot be opened: {error.strerror}"}
    try:
        return _read(file, is_stopped)
    except OSError as error:
        return {"detail": f"it cannot be read: {error.strerror}"}
    finally:
        os.close(file)


def _read(file: int, is_stopped: Callable[[], bool]) -> dict[str, Any]:
    facts, hasher = facts_of(os.fstat(file)), blake3()
    while part := os.read(file, CHUNK):
        if is_stopped():
            raise ReadingStopped
        hasher.update(part)
    if facts_of(os.fstat(file)) != facts:
        return {"detail": "it was written to while it was read"}
    return {"hash": hasher.digest(), "file_size": facts.size, "mtime": facts.mtime, "inode": facts.inode}
