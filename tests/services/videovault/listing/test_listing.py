"""Lists: order, filters, pages, and the cost of a page."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Dialect, select
from sqlalchemy.dialects import registry

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from tests.clients import counting_statements
from tests.conftest import CopyDatabase
from tests.servers import TestServer
from tests.services.videovault.library import Library, tag
from videovault.listing.repository import KEYS, select_videos
from videovault.listing.schemas import VideoPage
from videovault.models import Video
from videovault.watching import repository as own

DIALECT: Dialect = registry.load("postgresql.asyncpg")()
SORTS = [f"{sign}{key}" for sign in ("", "-") for key in KEYS]
FEW_SORTS = ["-created_at", "name", "rating"]
WALKED_SORTS = [sort for sort in SORTS if sort.removeprefix("-") not in own.KEYS]
LIMIT = 50


async def test_an_empty_library_is_an_empty_page(library: Library) -> None:
    assert (await library.get("/v1/videos")).json() == {
        "items": [],
        "next_cursor": None,
        "total": 0,
        "total_at_least": None,
    }


async def test_the_newest_comes_first_by_default(library: Library) -> None:
    names = [(await library.add())["file_name"] for _ in range(3)]

    assert await library.names() == names[::-1]
    assert await library.names(sort="created_at") == names


async def test_each_sort_orders_by_its_column_and_unknown_durations_are_the_shortest(
    library: Library,
) -> None:
    for name, duration, size in (("b", None, 30), ("a", 0, 20), ("d", 7, 10), ("c", 3, 40)):
        await library.add(file_name=name, duration_seconds=duration, file_size=size)

    orders = {"created_at": "badc", "file_name": "abcd", "duration_seconds": "bacd", "file_size": "dabc"}
    for sort, order in orders.items():
        assert "".join(await library.names(sort=sort)) == order
        assert "".join(await library.names(sort=f"-{sort}")) == order[::-1]


@pytest.mark.parametrize("sort", [*SORTS, "random:7", "relevance", "-relevance"])
async def test_pages_of_every_size_together_are_the_list(library: Library, sort: str) -> None:
    choice = random.Random(3)  # noqa: S311 - reproducible, and nothing secret
    for _ in range(23):
        # Few values, so that pages end in the middle of equal ones.
        await library.add(
            file_name=choice.choice("abc"),
            duration_seconds=choice.choice([None, 0, 5]),
            file_size=choice.choice([1, 2]),
        )
    whole = [video["id"] for video in (await library.get("/v1/videos", sort=sort)).json()["items"]]
    assert len(set(whole)) == 23

    for limit in (1, 7, 22, 23):
        pages = [page async for page in library.pages(sort=sort, limit=limit)]
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert [video["id"] for page in pages for video in page] == whole


async def test_the_longest_names_can_be_paged_through(library: Library) -> None:
    for first in "abc":
        await library.add(file_name=first + "\x01" * 511)

    pages = [page async for page in library.pages(sort="file_name", limit=1)]

    assert [page[0]["file_name"][0] for page in pages] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "sort",
    [
        *FEW_SORTS,
        "random:7",
        *(pytest.param(sort, marks=pytest.mark.long) for sort in SORTS if sort not in FEW_SORTS),
    ],
)
async def test_inserts_and_deletes_make_no_other_row_repeat_or_vanish(library: Library, sort: str) -> None:
    choice = random.Random(11)  # noqa: S311 - reproducible, and nothing secret

    def values() -> dict[str, Any]:
        return {"file_name": choice.choice("abcdef"), "duration_seconds": choice.choice([None, *range(9)])}

    lasting = {(await library.add(**values()))["id"] for _ in range(40)}
    doomed = [(await library.add(**values()))["id"] for _ in range(40)]
    acts: asyncio.Queue[str] = asyncio.Queue()
    finished = asyncio.Event()

    async def disturb() -> None:
        while not finished.is_set():
            created = await library.add(**values())
            await library.delete(doomed.pop() if doomed else created["id"])
            acts.put_nowait(created["id"])

    async def read() -> AsyncIterator[str]:
        async for page in library.pages(sort=sort, limit=5):
            for video in page:
                yield video["id"]
            await acts.get()  # before the next page somebody has inserted and deleted

    writers = [asyncio.create_task(disturb()) for _ in range(3)]
    seen = [video_id async for video_id in read()]
    finished.set()
    await asyncio.gather(*writers)

    assert len(seen) == len(set(seen))
    assert lasting <= set(seen)


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_equal_times_at_the_borders_of_pages_drop_nobody(library: Library, sort: str) -> None:
    await library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type, created_at)"
        " SELECT '/' || n, 'a', 1, 'video/mp4', '2026-01-01Z' FROM generate_series(1, 300) n"
    )
    seen = [video["id"] async for page in library.pages(sort=sort, limit=7) for video in page]
    assert len(seen) == len(set(seen)) == 300


async def test_each_seed_has_an_order_of_its_own_that_stays(library: Library) -> None:
    for _ in range(30):
        await library.add()
    first, second, other = [await library.names(sort=f"random:{seed}") for seed in (7, 7, 8)]
    assert first == second
    assert sorted(first) == sorted(other)
    assert first != other
    assert first != sorted(first)


async def test_what_is_found_is_counted_up_to_ten_thousand(library: Library) -> None:
    await library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type)"
        " SELECT '/' || n, 'a', n, 'video/mp4' FROM generate_series(1, 10001) n"
    )
    counted = {}
    for smallest in (0, 2, 3, 20_000):
        page = (await library.get("/v1/videos", min_size=smallest, limit=1)).json()
        counted[smallest] = (page["total"], page["total_at_least"])
    assert counted == {0: (None, 10_000), 2: (10_000, None), 3: (9_999, None), 20_000: (0, None)}
    page = (await library.get("/v1/videos", limit=1)).json()
    assert (page["total"], page["total_at_least"]) == (None, 10_000)


async def test_a_cursor_outlives_the_row_it_was_made_from(library: Library) -> None:
    names = [(await library.add())["file_name"] for _ in range(4)]
    first = (await library.get("/v1/videos", sort="created_at", limit=2)).json()
    await library.delete(first["items"][-1]["id"])

    rest = await library.names(sort="created_at", cursor=first["next_cursor"])

    assert rest == names[2:]


async def test_a_forged_cursor_or_one_of_another_list_is_refused(library: Library) -> None:
    for _ in range(3):
        await library.add()
    cursor = (await library.get("/v1/videos", limit=1)).json()["next_cursor"]
    middle = len(cursor) // 2
    altered = cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]
    strangers: list[dict[str, Any]] = [
        {"cursor": altered},
        {"cursor": cursor[:-4]},
        {"cursor": "é"},
        {"cursor": ""},
        {"cursor": cursor, "sort": "file_name"},
        {"cursor": cursor, "mime_type": "video/mp4"},
    ]

    answers = [await library.get("/v1/videos", **parameters) for parameters in strangers]

    assert [answer.status_code for answer in answers] == [422] * len(strangers)
    assert answers[0].json()["errors"][0]["pointer"] == "#query/cursor"
    assert (await library.get("/v1/videos", cursor=cursor, limit=2)).status_code == 200


async def test_ranges_include_their_ends_and_leave_unknown_durations_out(library: Library) -> None:
    for name, duration, size in (("a", None, 1), ("b", 10, 2), ("c", 20, 3), ("d", 30, 2**63 - 1)):
        await library.add(file_name=name, duration_seconds=duration, file_size=size)

    async def found(**parameters: Any) -> str:
        return "".join(await library.names(sort="file_name", **parameters))

    assert await found(min_duration=20) == "cd"
    assert await found(max_duration=20) == "bc"
    assert await found(min_duration=11, max_duration=29) == "c"
    assert await found(min_size=2, max_size=3) == "bc"
    assert await found(max_size=0) == ""
    assert await found(min_size=2**63 - 1) == "d"


async def test_the_filter_by_media_type_ignores_case(library: Library) -> None:
    await library.add(file_name="a", mime_type="video/mp4")
    await library.add(file_name="b", mime_type="video/webm")

    assert await library.names(mime_type="Video/WebM") == ["b"]
    assert await library.names(mime_type="video/ogg") == []


async def test_created_after_excludes_the_time_itself(library: Library) -> None:
    first, second = await library.add(), await library.add()

    assert await library.names(created_after=first["created_at"]) == [second["file_name"]]
    assert await library.names(created_after="2001-01-01T00:00:00+02:00", sort="created_at") == [
        first["file_name"],
        second["file_name"],
    ]
    assert await library.names(created_after="2999-01-01T00:00:00Z") == []


async def test_tags_filter_together_and_a_minus_excludes(library: Library) -> None:
    await library.add(file_name="a", tags=[tag("place", "Café"), tag("mood", "calm")])
    await library.add(file_name="b", tags=[tag("place", "café")])
    await library.add(file_name="c", tags=[tag("mood", "calm"), tag("time", "10:30")])
    await library.add(file_name="d")

    async def found(*criteria: str) -> str:
        return "".join(await library.names(sort="file_name", tag=list(criteria)))

    assert await found("place:café") == "ab"
    assert await found("PLACE: CAFE\u0301 ") == "ab"
    assert await found("place:café", "mood:calm") == "a"
    assert await found("-place:café") == "cd"
    assert await found("mood:calm", "-place:café") == "c"
    assert await found("time:10:30") == "c"
    assert await found("place:calm") == ""


@pytest.mark.parametrize(
    "parameters",
    [
        {"q": "harbour " * 2000},
        {"q": "a " * 33},
        {"q": "a\x00"},
        {"watched": "maybe"},
        {"favourite": "no"},
        {"min_rating": 11},
        {"missing": "maybe"},
        {"offset": 10},
        {"sort": "favourite"},
        {"sort": "file_path"},
        {"sort": "--file_name"},
        {"sort": "random:"},
        {"sort": "-random:7"},
        {"sort": f"random:{'7' * 65}"},
        {"limit": 0},
        {"limit": 101},
        {"min_size": -1},
        {"max_size": 2**63},
        {"max_size": "1_0"},
        {"min_size": "1.0"},
        {"limit": "10.0"},
        {"min_duration": 2**31},
        {"mime_type": "movie"},
        {"created_after": "yesterday"},
        {"created_after": "2026"},
        {"created_after": "12345"},
        {"created_after": "12345.5"},
        {"created_after": "2026-01-01T00:00Z"},
        {"created_after": "2026-01-01T00:00:00"},
        {"created_after": "0001-01-01T00:00:00+14:00"},
        {"created_after": "9999-12-31T23:59:59-14:00"},
        {"tag": "harbour"},
        {"tag": ":harbour"},
        {"tag": "place:"},
        {"tag": "place:\x00"},
        {"tag": [f"place:{number}" for number in range(21)]},
    ],
)
async def test_an_unknown_or_invalid_parameter_is_refused(
    library: Library, parameters: dict[str, Any]
) -> None:
    answer = await library.get("/v1/videos", **parameters)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"#query/{next(iter(parameters))}")


async def test_videos_are_listed_as_they_are_read(library: Library) -> None:
    odd = 'A "quoted" \\ back\tslash \x1f 日本 😀 \u2028 </script>'
    metadata = {"": None, odd: [1, -0.5, 1e300, 2**70, True, {"a": []}], "text": odd}
    await library.add(
        file_name=odd, metadata=metadata, hash=odd, tags=[tag("b", odd), tag("a", "x")], duration_seconds=7
    )
    await library.add(file_size=2**63 - 1)
    await library.execute("UPDATE videos SET created_at = '2001-02-03 04:05:06+02' WHERE hash IS NULL")
    answer = await library.get("/v1/videos")
    page = VideoPage.model_validate_json(answer.content)
    assert json.loads(page.model_dump_json()) == answer.json()
    listed = answer.json()["items"]
    assert [video["created_at"] for video in listed][1:] == ["2001-02-03T02:05:06Z"]
    for video in listed:
        read = await library.get(f"/v1/videos/{video['id']}")
        assert list(video.items()) == list(read.json().items())


async def test_every_filter_is_bound_to_its_own_value(library: Library) -> None:
    parameters = {
        "mime_type": "video/mp4",
        "min_duration": 5,
        "max_duration": 9,
        "min_size": 50,
        "max_size": 90,
        "created_after": "2001-01-01T00:00:00Z",
        "tag": ["a:x", "-b:y"],
    }
    right = {"duration_seconds": 7, "file_size": 70, "tags": [tag("a", "x")]}
    await library.add(file_name="right", **right)
    wrongs: list[dict[str, Any]] = [
        {"mime_type": "video/webm"},
        {"duration_seconds": 4},
        {"duration_seconds": 10},
        {"file_size": 49},
        {"file_size": 91},
        {"tags": []},
        {"tags": [tag("a", "x"), tag("b", "y")]},
    ]
    for wrong in wrongs:
        await library.add(**right | wrong)
    await library.add(file_name="old", **right)
    await library.execute("UPDATE videos SET created_at = '2000-01-01Z' WHERE file_name = 'old'")
    assert await library.names(**parameters) == ["right"]


async def test_a_page_with_tags_is_one_statement(library: Library) -> None:
    for _ in range(10):
        await library.add(tags=[tag("place", "harbour"), tag("mood", "calm")])
    async with counting_statements(library.app.component(Database)) as statements:
        videos = (await library.get("/v1/videos")).json()["items"]
    assert [len(video["tags"]) for video in videos] == [2] * 10
    assert len(statements) == 1


async def _fill(server: TestServer, database: DatabaseSettings, *, rows: int) -> None:
    connection = await server.connect(database.url.database)
    try:
        await connection.execute(
            "INSERT INTO videos (file_path, file_name, file_size, mime_type, duration_seconds, created_at)"
            " SELECT '/' || n, 'name ' || n % 5000, n % 1000, 'video/mp4', nullif(n % 100, 0),"
            "        now() - n % 3000 * interval '1 second'"
            " FROM generate_series(1, $1::integer) n",
            rows,
        )
        await connection.execute("ANALYZE videos")
    finally:
        await connection.close()


@pytest.mark.long
async def test_the_thousandth_page_reads_no_more_than_the_first(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    database = await copy_database("videovault")
    await _fill(server, database, rows=60_000)
    connection = await server.connect(database.url.database)
    try:
        for sort in WALKED_SORTS:
            first = await _blocks_read(connection, sort, {})
            rows = select(KEYS[sort.removeprefix("-")](Video), Video.id)
            order = [column.desc() if sort.startswith("-") else column for column in rows.selected_columns]
            last = await connection.fetchrow(_spell(rows.order_by(*order).offset(999 * LIMIT).limit(1)))
            assert last is not None
            deep = await _blocks_read(connection, sort, {"last_0": last[0], "last_1": last[1]})
            assert deep <= 2 * first, f"{sort}: {deep} blocks for page 1,000, {first} for the first"
            assert first < 600, f"{sort}: {first} blocks for one page"
    finally:
        await connection.close()


async def _blocks_read(connection: Any, sort: str, places: dict[str, Any]) -> int:
    rows, _ = select_videos(sort, places.keys())
    statement = _spell(rows.params({**places, "limit": LIMIT}))
    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"))[0][
        "Plan"
    ]
    assert plan["Actual Rows"] == LIMIT + 1
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _spell(statement: Any) -> str:
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))
