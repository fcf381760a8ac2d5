"""Filters and orders by what is the caller's own, beside a program that looks at each video."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from dbcommon.engine import Database
from tests.services.videovault.library import Library
from tests.tokens import TokenMint
from videovault.listing.repository import Bounds, find_page
from videovault.listing.schemas import VideoQuery
from videovault.listing.service import find_order

ME, OTHER = uuid4(), uuid4()


@dataclass(frozen=True, kw_only=True)
class Own:
    """A video, and what it is to the caller."""

    id: UUID
    rating: int | None
    favourite: bool
    started: bool
    completed: bool
    watched_at: int | None


ROWS = text(
    """
    SELECT v.id, m.rating, coalesce(m.favourite, false) AS favourite, h.watched_at IS NOT NULL AS started,
            coalesce(h.completed, false) AS completed, h.watched_at
        FROM videos v
        LEFT JOIN mine m ON m.video_id = v.id AND m.user_id = :me
        LEFT JOIN (
            SELECT video_id, bool_or(completed_before) AS completed, max(floor(extract(epoch FROM watched_at))::int) AS watched_at
                FROM watch_history WHERE user_id = :me AND (position_seconds >= 5 OR completed_before) GROUP BY video_id
        ) h ON h.video_id = v.id
    """
)


@pytest_asyncio.fixture(scope="module")
async def stocked(running_library: Library) -> tuple[Library, list[Own]]:
    """A library of 90 videos, of which a user knows some, and another user others."""
    await running_library.execute("DELETE FROM videos")
    await running_library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type, hash)"
        " SELECT '/' || n, n, n, CASE n % 4 WHEN 0 THEN 'video/ogg' ELSE 'video/mp4' END, n FROM generate_series(1, 90) n"
    )
    for user, shift in ((ME, 0), (OTHER, 3)):
        await running_library.execute(
            "INSERT INTO mine (user_id, video_id, rating, favourite) SELECT :user, id,"
            " nullif((file_size + :shift) % 12, 11), file_size % 2 = 0 FROM videos WHERE (file_size + :shift) % 5 = 0",
            user=user,
            shift=shift,
        )
        await running_library.execute(
            "INSERT INTO watch_history (user_id, video_id, position_seconds, completed, completed_before, watched_at)"
            " SELECT :user, v.id, (v.file_size * k + :shift) % 9, k = 2 AND v.file_size % 3 = 0, k = 2 AND v.file_size % 3 = 0,"
            " to_timestamp(1795372200 + (v.file_size * 7919 * k) % 20) FROM videos v, generate_series(1, 2) k"
            " WHERE (v.file_size + :shift) % 4 < 2",
            user=user,
            shift=shift,
        )
    rows = await running_library.app.component(Database).fetch_all(ROWS, {"me": ME})
    return running_library, [Own(**row._asdict()) for row in rows]


FILTERS: dict[tuple[str, str], Callable[[Own], bool]] = {
    ("watched", "yes"): lambda own: own.completed,
    ("watched", "partial"): lambda own: own.started and not own.completed,
    ("watched", "no"): lambda own: not own.started,
    ("favourite", "yes"): lambda own: own.favourite,
    ("min_rating", "0"): lambda own: own.rating is not None,
    ("min_rating", "6"): lambda own: own.rating is not None and own.rating >= 6,
}
ORDERS: dict[str, Callable[[Own], Any]] = {
    "watched_at": lambda own: (-1 if own.watched_at is None else own.watched_at, own.id),
    "rating": lambda own: (-1 if own.rating is None else own.rating, own.id),
}


def expected(owned: list[Own], parameters: dict[str, str]) -> list[str]:
    """The ids that a list has to have, in order."""
    found = [
        own for own in owned if all(FILTERS[item](own) for item in parameters.items() if item[0] != "sort")
    ]
    order = parameters["sort"]
    found.sort(key=ORDERS[order.removeprefix("-")], reverse=order.startswith("-"))
    return [str(own.id) for own in found]


def make_parameters(choice: random.Random) -> dict[str, str]:
    """A random list."""
    filters = dict(choice.sample(sorted(FILTERS), choice.randrange(3)))
    return filters | {"sort": choice.choice("- ").strip() + choice.choice(sorted(ORDERS))}


async def test_every_filter_and_order_gives_what_looking_at_each_video_does(
    stocked: tuple[Library, list[Own]], mint: TokenMint
) -> None:
    library, owned = stocked
    headers = mint.headers(user_id=ME)
    singles = [{name: value, "sort": "rating"} for name, value in FILTERS]
    for parameters in (*singles, *({"sort": f"{sign}{order}"} for order in ORDERS for sign in ("", "-"))):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            query = {**parameters, **cursor, "limit": "17"}
            answer = await library.client.get("/v1/videos", params=query, headers=headers)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [video["id"] for video in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert found == expected(owned, parameters), parameters
        assert page["total"] == len(found)
        assert len(found) > 3, parameters


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(counted=5, stretch=8)], ids=["gathered", "walked"])
async def test_page_by_page_a_random_list_is_the_same(
    stocked: tuple[Library, list[Own]], bounds: Bounds
) -> None:
    library, owned = stocked
    database = library.app.component(Database)
    choice = random.Random(7)  # noqa: S311 - reproducible, and nothing secret
    for _ in range(60):
        parameters = make_parameters(choice)
        query = VideoQuery.model_validate({**parameters, "limit": 7})
        order, values = await find_order(database, query, caller_id=ME)
        last, found = None, []
        while last is None or None not in last:
            items, *last, _total = await find_page(database, order, values, last, bounds=bounds)
            found += [video["id"] for video in json.loads(f"[{items}]")]
        assert found == expected(owned, parameters), parameters


async def test_tags_are_counted_among_what_the_caller_watched(
    stocked: tuple[Library, list[Own]], mint: TokenMint
) -> None:
    library, owned = stocked
    await library.execute(
        "INSERT INTO tags (video_id, tag_category, tag_name) SELECT id, 'k', 'v' FROM videos"
    )
    parameters = {"watched": "yes", "favourite": "yes"}

    answer = await library.client.get("/v1/tags", params=parameters, headers=mint.headers(user_id=ME))

    count = sum(own.completed and own.favourite for own in owned)
    assert count > 0
    assert [tag["count"] for tag in answer.json()["items"]] == [count]
