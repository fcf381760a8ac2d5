"""The video files below a root, in the order of their paths. No file is opened."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Literal

from videovault.files.identity import FileFacts, facts_of, signed
from videovault.files.media_types import media_type_of
from videovault.files.paths import LONGEST_PATH, to_text

TroubleCode = Literal["empty", "unreadable", "incomplete", "unsupported", "root_unreachable"]

IGNORED = ("@eaDir", "lost+found", ".*", "*.part", "*.crdownload")
"""Names that are never scanned: dot files and the trash of each file system, Synology's previews, downloads that go on."""

MARK = b".nomedia"
"""A folder with a file of this name is not scanned."""

_GONE = (FileNotFoundError, NotADirectoryError)


class RootUnreachable(Exception):
    """The root is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a video's type. `text` is the path's text."""

    path: bytes
    text: str
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a scan could not take. The videos at the path and below it stay as they are if `is_hiding`."""

    text: str
    code: TroubleCode
    detail: str
    is_hiding: bool = False


@dataclass(frozen=True, slots=True)
class RootMark:
    """Which folder a root was, when it was last read: another one in its place, if empty, is a disk that is not there."""

    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    path: bytes
    is_folder: bool
    is_link: bool


def read_mark(root: bytes) -> RootMark:
    """Which folder the root is now. Raises `RootUnreachable`."""
    try:
        if os.path.realpath(root) != root:
            raise RootUnreachable("another folder is at its path, by a link")
        with os.scandir(root) as entries:
            next(entries, None)
        status = os.stat(root)
    except OSError as error:
        raise RootUnreachable(_told(error)) from None
    return RootMark(signed(status.st_dev), signed(status.st_ino))


def walk(root: bytes, *, ignored: Sequence[str] = ()) -> Iterator[FoundFile | Trouble]:
    """What is below the root, in the order of the texts' code points. Raises `RootUnreachable`.

    Links are not followed: what they lead to inside the root is found where it is. Memory is bounded by the largest folder.
    """
    skipped = re.compile("|".join(translate(pattern) for pattern in (*IGNORED, *ignored)))
    try:
        folders = [iter(_list(root, to_text(root), skipped))]
    except OSError as error:
        raise RootUnreachable(_told(error)) from None
    while folders:
        entry = next(folders[-1], None)
        if entry is None:
            folders.pop()
        elif entry.is_folder:
            try:
                folders.append(iter(_list(entry.path, entry.key[:-1], skipped)))
            except _GONE:
                continue
            except OSError as error:
                yield Trouble(entry.key, "unreadable", _told(error), is_hiding=True)
        else:
            yield from _examine(entry)


def _list(folder: bytes, text: str, skipped: re.Pattern[str]) -> list[_Entry]:
    with os.scandir(folder) as entries:
        listed = [(to_text(entry.name), entry) for entry in entries]
    if any(entry.name == MARK for _, entry in listed):
        return []
    prefix = f"{text.rstrip('/')}/"
    kept = [_entry(entry, prefix + name) for name, entry in listed if not skipped.match(name)]
    return sorted(kept, key=lambda entry: entry.key)


def _entry(entry: os.DirEntry[bytes], text: str) -> _Entry:
    is_folder = entry.is_dir(follow_symlinks=False)
    # With its slash a folder stands where its files stand among the paths.
    return _Entry(f"{text}/" if is_folder else text, entry.path, is_folder, entry.is_symlink())


def _examine(entry: _Entry) -> Iterator[FoundFile | Trouble]:
    try:
        if entry.is_link:
            os.stat(entry.path)
            return
        if media_type_of(entry.path.rpartition(b"/")[2]) is None:
            return
        status = os.lstat(entry.path)
    except OSError as error:
        if entry.is_link or not isinstance(error, _GONE):
            told = "a link that leads nowhere" if entry.is_link else _told(error)
            yield Trouble(entry.key, "unreadable", told, is_hiding=not entry.is_link)
        return
    if not stat.S_ISREG(status.st_mode):
        yield Trouble(entry.key, "unsupported", "no regular file")
    elif len(entry.key.encode()) > LONGEST_PATH:
        yield Trouble(entry.key, "unsupported", f"the path has more than {LONGEST_PATH:,} bytes")
    else:
        yield FoundFile(entry.path, entry.key, facts_of(status))


def _told(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
