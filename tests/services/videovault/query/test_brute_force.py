"""Generated queries find what looking at each video finds, in the same order, page by page."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from dbcommon.engine import Database
from tests.services.videovault.library import Library, tag
from tests.services.videovault.query.brute_force import Names, Record, count_tags, find
from videovault.listing.repository import Bounds, find_page
from videovault.listing.schemas import VideoQuery
from videovault.listing.service import find_order
from videovault.query.service import index_rows

VIDEOS = 250
WORDS = [
    "beach",
    "beaches",
    "baech",
    "peach",
    "harbour",
    "harbor",
    "harbours",
    "sea",
    "seal",
    "seas",
    "evening",
    "even",
    "summer",
    "sommer",
    "rain",
    "rains",
    "train",
    "strasse",
    "straße",
    "Łódź",
    "lodz",
    "Amélie",
    "amelie",
    "l'été",
    "d'été",
    "S01E02",
    "2024",
    "2025",
    "2",
    "10",
    "010",
    "夏の終わり",
    "夏",
    "終わり",
    "の終",
    "映画",
    "ガラス",
    "がらす",
    "第3話",
    "한글",
    "spider-man",
    "spider",
    "man",
    "it's",
    "İstanbul",
    "\u0131s\u0131",
    "Ægir",
    "x",
    "a",
]
TAGS = [("place", "Quay"), ("place", "Café"), ("mood", "calm"), ("year", "2024")]
TYPES = ("video/mp4", "video/webm", "video/x-matroska")
START = datetime(2026, 1, 1, tzinfo=UTC)


def phrase(choice: random.Random, most: int) -> str:
    """A few words."""
    return choice.choice((" ", " ", "_", "-", ", ")).join(choice.choices(WORDS, k=choice.randint(1, most)))


def make_records(choice: random.Random) -> Iterator[tuple[Record, list[dict[str, str]]]]:
    """Videos with the words of few, so that queries find some; and their tags."""
    for number in range(VIDEOS):
        tags = choice.sample(TAGS, k=choice.randint(0, 3))
        name = phrase(choice, 3) + choice.choice((".mp4", " 2.mkv", " 10.mkv", ""))
        yield (
            Record(
                id=UUID(int=choice.getrandbits(128)),
                file_path=f"/{phrase(choice, 1)}/{phrase(choice, 2)}/{number}",
                file_name=name,
                file_size=choice.randint(0, 40),
                mime_type=choice.choice(TYPES),
                duration_seconds=choice.choice((None, *range(20))),
                title=choice.choice((None, phrase(choice, 4))),
                description=choice.choice((None, None, phrase(choice, 8))),
                missing_since=choice.choice((None, None, START)),
                created_at=START + timedelta(hours=choice.randint(0, 30)),
                tags=frozenset((category, name.casefold()) for category, name in tags),
            ),
            [tag(category, name) for category, name in tags],
        )


def make_term(choice: random.Random) -> str:
    """A word as it is, misspelt, cut short, quoted, excluded."""
    word = choice.choice(WORDS)
    spoilt = (
        word[: choice.randint(1, len(word))]
        + choice.choice(("", "", "x"))
        + word[choice.randint(1, len(word)) :]
    )
    return choice.choice(
        (
            word,
            word,
            word.upper(),
            spoilt,
            word[: choice.randint(1, 5)],
            f"{word[: choice.randint(1, 5)]}*",
            f"-{word}",
            f"-{word[:3]}*",
            f'"{word} {choice.choice(WORDS)}"',
            f'-"{word} {choice.choice(WORDS)}"',
        )
    )


def make_query(choice: random.Random) -> dict[str, Any]:
    """Parameters of a list."""
    sorts = ("created_at", "file_name", "name", "duration_seconds", "file_size", "relevance")
    possible: dict[str, Any] = {
        "mime_type": choice.choice(TYPES),
        "min_duration": choice.randint(0, 20),
        "max_duration": choice.randint(0, 20),
        "min_size": choice.randint(0, 20),
        "max_size": choice.randint(10, 40),
        "created_after": (START + timedelta(hours=choice.randint(0, 20))).isoformat(),
        "missing": choice.choice(("yes", "no")),
        "tag": [
            choice.choice(("", "-")) + ":".join(one) for one in choice.sample(TAGS, k=choice.randint(1, 2))
        ],
        "sort": choice.choice(
            (*sorts, *(f"-{sort}" for sort in sorts), f"random:{choice.randint(0, 9)}", "random:ü")
        ),
    }
    query = {name: possible[name] for name in possible if choice.random() < (0.7 if name == "sort" else 0.15)}
    if choice.random() < 0.8:
        query["q"] = " ".join(make_term(choice) for _ in range(choice.choice((1, 1, 2, 2, 3))))
    return query


@pytest_asyncio.fixture(scope="module")
async def stocked(running_library: Library) -> tuple[Library, list[Record]]:
    """A library, and what is in it."""
    choice = random.Random(5)  # noqa: S311 - reproducible, and nothing secret
    await running_library.execute("DELETE FROM videos")
    made = list(make_records(choice))
    columns = list(Record.__dataclass_fields__)[:-1]
    places = ", ".join(f":{column}" for column in columns)
    async with running_library.app.component(Database).transaction() as db:
        await db.execute(
            text(f"INSERT INTO videos ({', '.join(columns)}) VALUES ({places})"),  # noqa: S608 - names of this file
            [{column: getattr(record, column) for column in columns} for record, _ in made],
        )
        await db.execute(
            text(
                "INSERT INTO tags (video_id, tag_category, tag_name) VALUES (:id, :tag_category, :tag_name)"
            ),
            [{"id": record.id, **each} for record, tags in made for each in tags],
        )
    await index_rows(running_library.app.component(Database))
    return running_library, [record for record, _ in made]


@pytest.mark.parametrize(
    ("seed", "queries"), [(7, 100), pytest.param(8, 500, marks=pytest.mark.long)], ids=["some", "many"]
)
async def test_queries_find_what_looking_at_each_video_finds(
    stocked: tuple[Library, list[Record]], seed: int, queries: int
) -> None:
    library, records = stocked
    choice = random.Random(seed)  # noqa: S311 - as above
    found_some = 0
    for _ in range(queries):
        query = make_query(choice)
        expected = [str(found) for found in find(records, query)]
        limit = choice.choice((3, 100, 100, 100))
        answer = (await library.get("/v1/videos", **query, limit=limit)).json()
        assert (answer["total"], answer["total_at_least"]) == (len(expected), None), query
        assert [video["id"] for video in answer["items"]] == expected[:limit], query
        if answer["next_cursor"] is not None:
            following = await library.get("/v1/videos", **query, limit=limit, cursor=answer["next_cursor"])
            assert [video["id"] for video in following.json()["items"]] == expected[limit : 2 * limit], query
        found_some += 0 < len(expected) < len(records)
    assert found_some > queries / 2


async def test_tags_are_counted_as_by_looking_at_each_video(stocked: tuple[Library, list[Record]]) -> None:
    library, records = stocked
    choice = random.Random(9)  # noqa: S311 - as above
    for _ in range(50):
        query = make_query(choice)
        query.pop("sort", None)
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await library.get("/v1/tags", **query, limit=3, **cursor)).json()
            items += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        found = [(one["tag_category"], one["tag_name"].casefold(), one["count"]) for one in items]
        assert found == count_tags(records, query), query


async def test_what_is_too_much_to_count_is_walked_or_gathered_and_the_same(
    stocked: tuple[Library, list[Record]],
) -> None:
    library, records = stocked
    database = library.app.component(Database)
    bounds = Bounds(counted=15, stretch=20)
    choice = random.Random(13)  # noqa: S311 - as above
    for _ in range(80):
        parameters = make_query(choice)
        expected = find(records, parameters)
        query = VideoQuery.model_validate({**parameters, "limit": 10})
        order, values = await find_order(database, query, caller_id=UUID(int=0))
        last, found = None, []
        for _ in range(4):
            items, *last, total = await find_page(database, order, values, last, bounds=bounds)
            assert total == min(len(expected), bounds.counted + 1), parameters
            found += [UUID(video["id"]) for video in json.loads(f"[{items}]")]
            if None in last:
                break
        assert found == expected[:40], parameters


NAMES = Names(
    aliases={("place", "pier"): ("place", "quay"), ("year", "2024"): ("year", "mmxxiv")},
    parents={("place", "quay"): ("place", "harbour"), ("mood", "calm"): ("place", "harbour")},
)


async def test_queries_and_counts_follow_aliases_and_include_what_is_below(
    stocked: tuple[Library, list[Record]],
) -> None:
    library, records = stocked
    for (category, name), (_, tag_name) in NAMES.aliases.items():
        body = {"tag_category": category, "alias": name, "tag_name": tag_name}
        assert (await library.client.put("/v1/tags/aliases", json=body, headers=library.editor)).is_success
    for (category, name), (above, above_name) in NAMES.parents.items():
        body = {
            "tag_category": category,
            "tag_name": name,
            "parent_category": above,
            "parent_name": above_name,
        }
        assert (await library.client.put("/v1/tags/parents", json=body, headers=library.editor)).is_success
    choice = random.Random(17)  # noqa: S311 - as above
    asked = [*TAGS, ("place", "HARBOUR"), ("place", "pier"), ("year", "MMXXIV"), ("place", "none")]
    for _ in range(40):
        query = make_query(choice)
        criteria = choice.sample(asked, k=choice.randint(1, 2))
        query["tag"] = [choice.choice(("", "-")) + ":".join(one) for one in criteria]
        answer = (await library.get("/v1/videos", **query, limit=100)).json()
        assert [UUID(video["id"]) for video in answer["items"]] == find(records, query, NAMES)[:100], query
        query.pop("sort", None)
        counted = (await library.get("/v1/tags", **query, limit=100)).json()["items"]
        found = [(one["tag_category"], one["tag_name"].casefold(), one["count"]) for one in counted]
        assert found == count_tags(records, query, NAMES), query
    for table in ("tag_aliases", "tag_parents"):
        await library.execute(f"DELETE FROM {table}")  # noqa: S608 - names of this file
