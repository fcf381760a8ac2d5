"""Folding, words, and the columns by which a video is found: docs/videovault-query.md."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from typing import Any
from uuid import UUID

import xxhash

LONGEST_WORD = 64
"""Characters; the rest of a longer word does not count."""

LONGEST_NAME_KEY = 600
"""Characters: 2,400 bytes, which an index holds."""

FIELDS = ("title", "file_name", "folders", "description")
"""What is searched, the weightiest first."""

WEIGHTS = (8, 4, 2, 1)
"""What a place in each of the fields is worth."""

_TABLE = json.loads(files("videovault.query").joinpath("fold_table.json").read_text("ascii"))


def _decompose_hangul() -> Iterator[tuple[int, str]]:
    # The Unicode Standard, section 3.12.
    for number in range(11_172):
        leading, rest = divmod(number, 21 * 28)
        vowel, trailing = divmod(rest, 28)
        jamo = chr(0x1100 + leading) + chr(0x1161 + vowel) + (chr(0x11A7 + trailing) if trailing else "")
        yield 0xAC00 + number, jamo


_FOLDS = {ord(character): folded for character, folded in _TABLE["fold"].items()} | dict(_decompose_hangul())


def _character_class(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


_CJK = re.compile(f"[{_character_class(_TABLE['cjk'])}]")
_RUNS = re.compile(
    f"(?P<cjk>{_CJK.pattern}+)|(?:(?!{_CJK.pattern})[{_character_class(_TABLE['word'])}])+", re.ASCII
)
_ASCII_RUNS = re.compile("[0-9a-z]+")
_DIGITS = re.compile("[0-9]+")


def fold(text: str) -> str:
    """The text without differences of case, marks and Unicode form, by the table of the repository."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)


def runs_of(folded: str) -> Iterator[tuple[str, bool]]:
    """The runs of letters and digits of a folded text, and whether each is one of CJK."""
    if folded.isascii():  # quicker, and what most texts are
        return ((run, False) for run in _ASCII_RUNS.findall(folded))
    return ((match[0], match["cjk"] is not None) for match in _RUNS.finditer(folded))


def units_of(folded: str) -> list[str]:
    """What phrases are made of: words, and the single characters of a run of CJK."""
    return [unit for run, is_cjk in runs_of(folded) for unit in (run if is_cjk else (run[:LONGEST_WORD],))]


def indexed_words(units: list[str]) -> set[str]:
    """The words that an index keeps of a field: the units, and each two of CJK that are neighbours."""
    if all(map(str.isascii, units)):
        return set(units)
    pairs = (one + other for one, other in pairwise(units) if is_cjk(one) and is_cjk(other))
    return {*units, *pairs}


def is_cjk(unit: str) -> bool:
    """Whether the unit is a character of CJK."""
    return _CJK.match(unit) is not None


def fields_of(*, title: str | None, file_name: str, file_path: str, description: str | None) -> list[str]:
    """The folded texts of `FIELDS`."""
    folders = file_path.rpartition("/")[0]
    return [fold(text or "") for text in (title, file_name, folders, description)]


def index_columns(
    video_id: UUID, *, title: str | None, file_name: str, file_path: str, description: str | None
) -> dict[str, Any]:
    """The columns by which a video is found and ordered. Whoever writes one of what they are made of, writes them as well;
    else they are made soon afterwards."""
    fields = fields_of(title=title, file_name=file_name, file_path=file_path, description=description)
    fields_units = [units_of(field) for field in fields]
    parts = [f" {' '.join(units)} \n" for units in fields_units]
    starts, position = [], 1
    for part in parts:
        starts.append(position)
        position += len(part)
    return {
        "words": sorted(set().union(*map(indexed_words, fields_units))),
        "search_text": "".join(parts),
        "search_starts": starts,
        "name_key": name_key(title or file_name),
        "random_key": random_key(video_id.bytes),
        "indexed_at": datetime.now(UTC),
    }


def name_key(name: str) -> str:
    """What orders names: folded, each number behind the count of its digits, so that 2 comes before 10."""
    return _DIGITS.sub(_sortable_number, fold(name))[:LONGEST_NAME_KEY]


def _sortable_number(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"{len(digits):04}{digits}"


def random_key(content: bytes) -> int:
    """XXH3-64 as a signed integer, as PostgreSQL has it."""
    return int.from_bytes(xxhash.xxh3_64_digest(content), "big", signed=True)
