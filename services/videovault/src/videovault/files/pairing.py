"""Which missing video a new file is, where several have the same content."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

Placed = TypeVar("Placed")


@dataclass(frozen=True, slots=True)
class LostVideo:
    """A video without its file, and the path that the file had."""

    id: UUID
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairing:
    """Of one content: each video's new path, and what stays missing and new because nothing tells which is which."""

    paths: dict[UUID, str]
    missing: list[str]
    new: list[str]

    @property
    def is_ambiguous(self) -> bool:
        """Whether both are left."""
        return bool(self.missing and self.new)


def pair(videos: Sequence[LostVideo], paths: Sequence[str]) -> Pairing:
    """Pair videos and new files of the same content.

    One of each is a pair. Of several those are whose names are equal, then those whose folders are, each if it is the only one
    on both sides; of equal names those come first whose paths differ only in case or Unicode form, or whose folders have equal
    names.
    """
    found: dict[UUID, str] = {}
    left, free = list(videos), list(paths)
    if len(left) == len(free) == 1:
        return Pairing(paths={left[0].id: free[0]}, missing=[], new=[])
    for key in (_fold, _name_in_folder, _name, _folder):
        here = _unique((key(video.path), video.id) for video in left)
        there = _unique((key(path), path) for path in free)
        for value in here.keys() & there.keys():
            found[here[value]] = there[value]
        left = [video for video in left if video.id not in found]
        free = sorted(set(free) - set(found.values()))
    return Pairing(paths=found, missing=[video.path for video in left], new=free)


def _unique(pairs: Iterable[tuple[str, Placed]]) -> dict[str, Placed]:
    """The pairs whose key no other has."""
    groups: defaultdict[str, list[Placed]] = defaultdict(list)
    for key, thing in pairs:
        groups[key].append(thing)
    return {key: group[0] for key, group in groups.items() if len(group) == 1}


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _name_in_folder(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
