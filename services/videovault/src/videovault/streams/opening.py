"""Files below a root that are open for reading. Disks are waited for: call on a thread."""

import os
from collections.abc import Sequence
from typing import Self

from videovault.files.identity import FileChanged, FileFacts, facts_of
from videovault.files.opening import open_below


class OpenFile:
    """A regular file that is open for reading. All that is read of it is of one state of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.facts: FileFacts = facts_of(os.fstat(descriptor))
        self.is_closed = False

    @classmethod
    def below(cls, root: bytes, path: bytes, *, allowed: Sequence[bytes]) -> Self:
        """The file at `path`, below `root`, which is a real path and lies in one of the `allowed` folders.

        Raises `NotInRoot`, and OSError when the file cannot be opened.
        """
        return cls(open_below(root, path, allowed=allowed))

    def read(self, first: int, size: int) -> bytes:
        """`size` bytes from the one with the number `first`. Raises `FileChanged` when the file is shorter or was written to
        since it was opened, and OSError."""
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self._descriptor, size, first)):
            parts.append(part)
            first, size = first + len(part), size - len(part)
        if size > 0 or facts_of(os.fstat(self._descriptor)) != self.facts:
            raise FileChanged
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the file. Nobody may be reading it."""
        if not self.is_closed:
            self.is_closed = True
            os.close(self._descriptor)
