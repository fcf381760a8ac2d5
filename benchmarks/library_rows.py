"""Rows of a large, made-up library: words as common as in a language, folders whose videos came together, common and rare tags."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from videovault.query.words import index_columns

COLUMNS = (
    *(
        "id",
        "file_path",
        "file_name",
        "file_size",
        "mime_type",
        "duration_seconds",
        "metadata",
        "hash",
        "title",
    ),
    *("description", "missing_since", "created_at", "updated_at"),
    *("words", "search_text", "search_starts", "name_key", "random_key", "indexed_at"),
)
TAG_COLUMNS = ("id", "video_id", "tag_name", "tag_category")
BEGAN = datetime(2021, 1, 1, tzinfo=UTC)
DAYS = 2000
SYLLABLES = [
    first + vowel + last for first in "bcdfghklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r")
]
MEDIA_TYPES = {
    "video/mp4": 60.0, "video/x-matroska": 25.0, "video/webm": 10.0, "video/quicktime": 4.5, "video/3gpp": 0.5, "video/mp2t": 0.01,
}  # fmt: skip
CATEGORIES = ("people", "place", "genre", "mood", "year")


class Choice:
    """Values of which the first are the commonest, as the words of a language are (Zipf's law)."""

    def __init__(self, values: list[str], *, exponent: float = 0.9) -> None:
        self.values = values
        self._weights = list(accumulate(1 / number**exponent for number in range(1, len(values) + 1)))

    def draw(self, source: random.Random, count: int) -> list[str]:
        """So many of them."""
        return source.choices(self.values, cum_weights=self._weights, k=count)


def make_words(source: random.Random, count: int) -> list[str]:
    """Different words of two to four syllables."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(source.choices(SYLLABLES, k=source.choice((2, 2, 3, 3, 4))))] = None
    return list(words)


def make_library(count: int, numbers: range) -> Iterator[tuple[tuple[object, ...], list[tuple[object, ...]]]]:
    """The rows of the videos with these numbers of a library of `count`, each with those of its tags."""
    source = random.Random(1)
    words = Choice(make_words(source, 60_000))
    tags = Choice([f"{word} {number}" for number, word in enumerate(words.values[:3000])])
    folders = Choice(
        [
            "/".join(("/media", source.choice(words.values[:12]), *words.draw(source, 2)))
            for _ in range(max(4, count // 50))
        ],
        exponent=0.6,
    )
    days = {folder: source.random() * DAYS for folder in folders.values}
    types = list(MEDIA_TYPES)
    weights = list(accumulate(MEDIA_TYPES.values()))
    source.seed(numbers.start)
    for number in numbers:
        (folder,) = folders.draw(source, 1)
        created_at = BEGAN + timedelta(days=days[folder] + source.random() * 3)
        duration = int(source.lognormvariate(6.5, 1.2))
        name = f"{' '.join(words.draw(source, 3))} {number % 1000}.mp4"
        facts: dict[str, Any] = {
            "file_path": f"{folder}/{number} {name}",
            "file_name": f"{number} {name}" if number % 3 else name,
            "title": " ".join(words.draw(source, 4)).capitalize() if number % 3 == 0 else None,
            "description": " ".join(words.draw(source, 12)) if number % 4 == 0 else None,
        }
        video_id = UUID(int=source.getrandbits(128))
        index = index_columns(video_id, **facts)
        video = {
            **facts,
            **index,
            "id": video_id,
            "file_size": int(duration * source.lognormvariate(13, 0.6)),
            "mime_type": source.choices(types, cum_weights=weights)[0],
            "duration_seconds": duration if number % 33 else None,
            "metadata": json.dumps(
                {"width": 1920, "height": 1080, "fps": 25, "video_codec": "h264", "container": "mp4"}
            ),
            "hash": f"{source.getrandbits(128):032x}",
            "missing_since": created_at if number % 50 == 7 else None,
            "created_at": created_at,
            "updated_at": created_at,
        }
        names = set(tags.draw(source, 3))
        yield (
            tuple(video[column] for column in COLUMNS),
            [
                (UUID(int=source.getrandbits(128)), video_id, name, CATEGORIES[len(name) % 5])
                for name in sorted(names)
            ],
        )
