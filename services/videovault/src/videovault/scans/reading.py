"""Reading files' ends, on threads."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from videovault.files.identity import EMPTY, FileChanged, read_identity
from videovault.files.walking import FoundFile, Trouble

THREADS = 4
"""Files that are read at the same time: more make a disk seek."""


@dataclass(kw_only=True, slots=True)
class Reading:
    """What was read: each file with its identity, and what could not be."""

    files: list[tuple[FoundFile, bytes]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    opened: int = 0


async def read_files(files: Sequence[FoundFile]) -> Reading:
    """Read the identities of files. An empty one is not opened."""
    parts = [files[number::THREADS] for number in range(THREADS)]
    read = await asyncio.gather(*(asyncio.to_thread(_read, part) for part in parts if part))
    return Reading(
        files=[file for part in read for file in part.files],
        troubles=[trouble for part in read for trouble in part.troubles],
        opened=sum(part.opened for part in read),
    )


def _read(files: Sequence[FoundFile]) -> Reading:
    reading = Reading()
    for file in files:
        if file.facts.size == 0:
            reading.files.append((file, EMPTY))
            continue
        reading.opened += 1
        try:
            reading.files.append((file, read_identity(file.path, file.facts)))
        except FileChanged:
            reading.troubles.append(Trouble(file.text, "incomplete", "it was written to while it was read"))
        except OSError as error:
            told = (error.strerror or type(error).__name__).lower()
            reading.troubles.append(Trouble(file.text, "unreadable", told))
    return reading
