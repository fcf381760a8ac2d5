"""Files below a root, opened without following a link anywhere on their paths. Disks are waited for: call on a thread."""

import errno
import os
import stat
from collections.abc import Sequence

from videovault.files.paths import is_inside

# Where there is O_PATH, a folder need not be readable to be passed through.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = (
    os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
)  # a pipe in a file's place does not hold it up

_IS_LINK = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})
"""How systems refuse a link: in a folder's place, and in a file's."""


class NotInRoot(Exception):
    """The path leads to no file in the root: by `..`, by a link, or since it is that of another folder."""


def open_below(root: bytes, path: bytes, *, allowed: Sequence[bytes]) -> int:
    """A descriptor of the regular file at `path`, below `root`, which is a real path and lies in one of the `allowed` folders.

    Each folder on the path is opened in the one before it, and none that is a link: nobody can put a link there meanwhile.
    Raises `NotInRoot`, and OSError when the file cannot be opened.
    """
    names = _split(root, path, allowed=allowed)
    descriptor = _open(names, _FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotInRoot
    return descriptor


def list_beside(root: bytes, path: bytes, *, allowed: Sequence[bytes]) -> list[bytes]:
    """The names of the regular files in the folder of `path`, which is below the root. Raises as `open_below`."""
    names = _split(root, path, allowed=allowed)
    descriptor = _open(names[:-1], _LISTED)
    try:
        with os.scandir(descriptor) as entries:
            found = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    finally:
        os.close(descriptor)
    return [os.fsencode(name) for name in found]


def _split(root: bytes, path: bytes, *, allowed: Sequence[bytes]) -> list[bytes]:
    names = path.split(b"/")[1:]
    is_plain = path.startswith(b"/") and {b"", b".", b".."}.isdisjoint(names)
    is_allowed = any(is_inside(root, os.path.realpath(folder)) for folder in allowed)
    if not is_plain or path == root or not is_inside(path, root) or not is_allowed:
        raise NotInRoot
    return names


def _open(names: Sequence[bytes], flags: int) -> int:
    """The last one of these names, each in the folder before it."""
    folder = os.open("/", _FOLDER)
    try:
        for name in names[:-1]:
            below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(names[-1], flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _IS_LINK:
            raise NotInRoot from None
        raise
    finally:
        os.close(folder)
