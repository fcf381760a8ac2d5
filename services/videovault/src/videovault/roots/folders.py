"""Folders that may become roots. These functions wait for disks: call them on a thread."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from videovault.files.paths import is_inside, odd_bytes, to_bytes, to_text
from videovault.roots.errors import NotAFolder, OutsideMediaRoots


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by its real path: the text, and the bytes where they are not the text's."""

    path: str
    path_bytes: bytes | None

    @classmethod
    def at(cls, path: bytes) -> "Folder":
        """The folder with this real path."""
        text = to_text(path)
        return cls(text, odd_bytes(path, text))


def find_folder(path: bytes, *, allowed: Sequence[bytes]) -> Folder:
    """The folder at a path. Raises `OutsideMediaRoots` when its real path is in none of the allowed ones, or `NotAFolder`."""
    real = os.path.realpath(path)
    if not is_allowed(real, allowed):
        raise OutsideMediaRoots(
            "VIDEOVAULT_MEDIA_ROOTS names the folders that may be scanned", pointer="#/path"
        )
    if not os.path.isdir(real):
        raise NotAFolder("there is no folder at this path", pointer="#/path")
    return Folder.at(real)


def is_allowed(real: bytes, allowed: Sequence[bytes]) -> bool:
    """Whether a real path is in one of the folders, or is one."""
    return any(is_inside(real, os.path.realpath(folder)) for folder in allowed)


def has_any(paths: Sequence[str]) -> bool:
    """Whether there is a file at one of the paths."""
    return any(os.path.lexists(to_bytes(path)) for path in paths)
