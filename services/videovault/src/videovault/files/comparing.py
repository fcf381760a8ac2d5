"""What a file's size, time and inode say about it, without opening it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from videovault.files.identity import FileFacts
from videovault.files.walking import FoundFile

DAY = 86_400 * 10**9
"""Nanoseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFile:
    """A video's path, and what the last scan saw there; a record that no scan has seen has no identity."""

    id: UUID
    path: str
    size: int
    mtime: int | None
    inode: int | None
    identity: bytes | None
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that is a video's."""

    file: FoundFile
    video: KnownFile


@dataclass(kw_only=True, slots=True)
class Comparison:
    """Of a range of paths: files that are as they were, files that were away, files to open, and videos without a file."""

    unchanged: list[Seen] = field(default_factory=list)
    returned: list[Seen] = field(default_factory=list)
    unread: list[tuple[FoundFile, KnownFile | None]] = field(default_factory=list)
    missing: list[KnownFile] = field(default_factory=list)


def compare(
    files: Iterable[FoundFile],
    videos: Iterable[KnownFile],
    *,
    hidden: Sequence[str] = (),
    is_full: bool = False,
    now: int,
) -> Comparison:
    """Compare the files and the videos of one range of paths. Videos whose path begins with a hidden one are left alone."""
    found, known = Comparison(), {video.path: video for video in videos}
    for file in files:
        video = known.pop(file.text, None)
        if video is None or is_full or not is_same(file.facts, video, now=now):
            found.unread.append((file, video))
        else:
            (found.returned if video.is_missing else found.unchanged).append(Seen(file, video))
    found.missing = [
        video for path, video in known.items() if video.identity and not path.startswith(tuple(hidden))
    ]
    return found


def is_same(facts: FileFacts, video: KnownFile, *, now: int) -> bool:
    """Whether a file is the one that was read. `now` in ns.

    A time more than a day ahead says nothing, since no write has made it. A video without an inode was relocated.
    """
    if video.identity is None or facts.size != video.size:
        return False
    if video.inode is None:
        return facts.mtime == video.mtime
    return facts.inode == video.inode and (facts.mtime == video.mtime or facts.mtime > now + DAY)
