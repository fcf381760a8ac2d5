"""docs/videovault-query.md once more, as a program that looks at each video: slow, and plain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import xxhash

from videovault.query.grammar import Term, is_one_edit, parse_query
from videovault.query.words import fold, name_key, units_of

RING = 2**64
Units = Sequence[str]
Key = tuple[str, str]


@dataclass(kw_only=True)
class Record:
    """A video as it was written, and its tags: pairs of folded category and name."""

    id: UUID
    file_path: str
    file_name: str
    file_size: int
    mime_type: str
    duration_seconds: int | None
    title: str | None
    description: str | None
    missing_since: datetime | None
    created_at: datetime
    tags: frozenset[tuple[str, str]]

    def __post_init__(self) -> None:
        folders = "/".join(self.file_path.split("/")[:-1])
        texts = (self.title, self.file_name, folders, self.description)
        self.fields = list(zip((8, 4, 2, 1), (units_of(fold(text or "")) for text in texts), strict=True))
        """The weight and the units of each field that is searched."""


def stands_in(units: Units, wanted: Units, *, is_prefix: bool) -> bool:
    """Whether the wanted units stand next to each other in a field; the last may go on if it is a prefix."""
    for start in range(len(units) - len(wanted) + 1):
        *head, last = units[start : start + len(wanted)]
        if head == list(wanted[:-1]) and (last == wanted[-1] or (is_prefix and last.startswith(wanted[-1]))):
            return True
    return False


def points(record: Record, term: Term) -> int | None:
    """What a term is worth; None if it does not hold."""
    for times, is_prefix in ((2, False), (1, True)):
        if is_prefix and not term.is_prefix:
            continue
        weights = [
            weight for weight, units in record.fields if stands_in(units, term.units, is_prefix=is_prefix)
        ]
        if weights:
            return 1000 + times * max(weights)
    if term.is_tolerant:
        words = {
            unit
            for _, units in record.fields
            for unit in units
            if not any(one in "0123456789" for one in unit)
        }
        if any(is_one_edit(word, term.units[0]) for word in words):
            return 0
    return None


def rank(record: Record, terms: Sequence[Term]) -> int | None:
    """The rank of a video; None if it is not found."""
    total = 0
    for term in terms:
        found = points(record, term)
        if term.is_excluded:
            if found is not None:
                return None
        elif found is None:
            return None
        else:
            total += found
    return total


@dataclass(frozen=True, kw_only=True)
class Names:
    """The tag that each alias stands for, and the tag above each that has one; all folded."""

    aliases: Mapping[Key, Key]
    parents: Mapping[Key, Key]

    def counted_as(self, tag: Key) -> set[Key]:
        """The tag, or the one that it stands for, and all above."""
        tags = {self.aliases.get(tag, tag)}
        while above := {self.parents[one] for one in tags if one in self.parents} - tags:
            tags |= above
        return tags


NO_NAMES = Names(aliases={}, parents={})


def has_tag(record: Record, criterion: str, names: Names) -> bool:
    """Whether the criterion of a tag holds."""
    category, _, name = criterion.removeprefix("-").partition(":")
    asked = (category.casefold(), name.casefold())
    wanted = names.aliases.get(asked, asked)
    found = any(wanted in names.counted_as(tag) for tag in record.tags)
    return found is not criterion.startswith("-")


FILTERS: Mapping[str, Callable[[Record, Any], bool]] = {
    "mime_type": lambda record, value: record.mime_type == value,
    "min_duration": lambda record, value: (
        record.duration_seconds is not None and record.duration_seconds >= value
    ),
    "max_duration": lambda record, value: (
        record.duration_seconds is not None and record.duration_seconds <= value
    ),
    "min_size": lambda record, value: record.file_size >= value,
    "max_size": lambda record, value: record.file_size <= value,
    "created_after": lambda record, value: record.created_at > datetime.fromisoformat(value),
    "missing": lambda record, value: (record.missing_since is not None) is (value == "yes"),
}


def order_key(record: Record, sort: str, *, points: int) -> Any:
    """What an order is by."""
    name = name_key(record.title or record.file_name).encode()
    keys: dict[str, Any] = {
        "created_at": record.created_at,
        "file_name": record.file_name.encode(),
        "name": name,
        "duration_seconds": -1 if record.duration_seconds is None else record.duration_seconds,
        "file_size": record.file_size,
        "relevance": (-points, name),
    }
    if sort.startswith("random:"):
        number, seed = (
            xxhash.xxh3_64_intdigest(content)
            for content in (record.id.bytes, sort.removeprefix("random:").encode())
        )
        return (number - seed) % RING
    return keys[sort.removeprefix("-")]


def find(records: Sequence[Record], query: Mapping[str, Any], names: Names = NO_NAMES) -> list[UUID]:
    """The ids of what the parameters find, in order."""
    terms = parse_query(query.get("q", ""))
    sort = query.get("sort") or ("relevance" if terms else "-created_at")
    found = []
    for record in records:
        points = rank(record, terms)
        if (
            points is not None
            and all(FILTERS[name](record, value) for name, value in query.items() if name in FILTERS)
            and all(has_tag(record, criterion, names) for criterion in query.get("tag", ()))
        ):
            found.append((order_key(record, sort, points=points), record.id.bytes, record.id))
    found.sort(reverse=sort.startswith("-"))
    return [found_id for _, _, found_id in found]


def count_tags(
    records: Sequence[Record], query: Mapping[str, Any], names: Names = NO_NAMES
) -> list[tuple[str, str, int]]:
    """The folded category and name of each tag of what is found, and how many have it or one below; the most used first."""
    found = set(find(records, query, names))
    counts: dict[Key, int] = {}
    for record in records:
        tags = record.tags if record.id in found else ()
        for tag in {above for one in tags for above in names.counted_as(one)}:
            counts[tag] = counts.get(tag, 0) + 1
    ordered = sorted(
        counts.items(), key=lambda entry: (-entry[1], entry[0][0].encode(), entry[0][1].encode())
    )
    return [(category, name, count) for (category, name), count in ordered]
