"""Files that can be made anew, in a folder of bounded size."""

import asyncio
import contextlib
import errno
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How systems say that a disk or a quota is full."""

LOOK_AFTER = 100
"""Files that are written before the folder is measured again: other processes write there, too."""

KEPT = 0.9
"""Of the bound, when files are thrown out."""

UNFINISHED = ".new-"
"""Begins the names of files that are being written."""

OLD_SECONDS = 3600
"""An unfinished file of that age is of a process that died."""


class CacheUnusable(Exception):
    """The folder cannot be read or written; `is_full`: since there is no room."""

    def __init__(self, error: OSError) -> None:
        super().__init__((error.strerror or type(error).__name__).lower())
        self.is_full = error.errno in FULL


class DiskCache:
    """The folder, which is made when it is needed. The least used files are thrown out when it has more than `most_bytes`."""

    def __init__(
        self, folder: Path, *, most_bytes: int, write: Callable[[Path, bytes], object] = Path.write_bytes
    ) -> None:
        self._folder = folder
        self._write = write
        self._most_bytes = most_bytes
        self._size: int | None = None
        self._written = 0
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The file's content, made and kept if there is none; those who want it at the same time share that. A key is a
        file's name. Raises `CacheUnusable`, and what `make` raises."""
        found = await asyncio.to_thread(self._read, key)
        if found is not None:
            return found
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, make))
            task.add_done_callback(lambda done: self._forget(key, done))
        # It goes on for the others when one of them goes away.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """End what is being made."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: str, done: "asyncio.Task[bytes]") -> None:
        del self._making[key]
        if not done.cancelled():
            done.exception()  # told to those who wait, if any is still there

    async def _make(self, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        content = await make()
        await asyncio.to_thread(self._store, key, content)
        return content

    def _read(self, key: str) -> bytes | None:
        path = self._folder / key
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheUnusable(error) from error
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used
        return content

    def _store(self, key: str, content: bytes) -> None:
        unfinished = self._folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(unfinished, content)
            unfinished.rename(self._folder / key)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise CacheUnusable(error) from error
        self._written += 1
        self._size = None if self._size is None else self._size + len(content)
        if self._size is None or self._size > self._most_bytes or self._written % LOOK_AFTER == 0:
            self._throw_out()

    def _throw_out(self) -> None:
        files: list[tuple[float, int, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    files.append((status.st_mtime, status.st_size, entry.name))
        newest = max((used for used, _, _ in files), default=0)
        size = sum(each for _, each, _ in files)
        bound = self._most_bytes if size <= self._most_bytes else self._most_bytes * KEPT
        for used, each, name in sorted(files):
            is_left_over = name.startswith(UNFINISHED) and used < newest - OLD_SECONDS
            if is_left_over or (size > bound and not name.startswith(UNFINISHED)):
                with contextlib.suppress(FileNotFoundError):
                    (self._folder / name).unlink()
                size -= each
        self._size = size
