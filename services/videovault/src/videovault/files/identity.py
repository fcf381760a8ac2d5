"""Which content a file has, by its size and its two ends."""

import os
from dataclasses import dataclass

from xxhash import xxh3_128_digest

EDGE = 64 * 1024
"""Bytes of each end that are hashed."""

EMPTY = xxh3_128_digest(bytes(8))
"""The identity of an empty file, which identifies nothing."""

_READS = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a pipe in a file's place does not hold it up

_HALF = 2**63


class FileChanged(Exception):
    """The file was written to while it was read."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What tells without opening a file whether it is the one that was there. `mtime` in ns."""

    size: int
    mtime: int
    inode: int


def facts_of(status: os.stat_result) -> FileFacts:
    """The facts, within the range of the database's integers."""
    mtime = max(-_HALF, min(status.st_mtime_ns, _HALF - 1))
    return FileFacts(size=status.st_size, mtime=mtime, inode=signed(status.st_ino))


def signed(number: int) -> int:
    """An unsigned 64-bit number as the signed one with the same bits."""
    return number - 2 * _HALF if number >= _HALF else number


def identify(size: int, head: bytes, tail: bytes) -> bytes:
    """XXH3-128 (seed 0) of the size as 8 bytes, little-endian, and the first and the last 64 KiB; in canonical order."""
    return xxh3_128_digest(size.to_bytes(8, "little") + head + tail)


def read_identity(path: bytes, facts: FileFacts) -> bytes:
    """The identity of the file with these facts. Raises `FileChanged` when it has others, and OSError."""
    file = os.open(path, _READS)
    try:
        head = _read(file, EDGE, at=0)
        tail = _read(file, EDGE, at=max(0, facts.size - EDGE))
        if facts_of(os.fstat(file)) != facts:
            raise FileChanged
    finally:
        os.close(file)
    return identify(facts.size, head, tail)


def _read(file: int, size: int, *, at: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(file, size, at)):
        parts.append(part)
        size, at = size - len(part), at + len(part)
    return b"".join(parts)
