"""Videos recorded by their paths: one, or a batch."""

import asyncio
from typing import Any

import httpx

from tests.services.videovault.library import Library, a_video, tag


async def put(library: Library, body: Any) -> httpx.Response:
    """Record by path as the editor."""
    return await library.client.put("/v1/videos/by-path", json=body, headers=library.editor)


async def batch(library: Library, videos: list[Any]) -> dict[str, Any]:
    """Record a batch as the editor."""
    answer = await library.client.post("/v1/videos/batch", json={"videos": videos}, headers=library.editor)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def test_a_put_records_a_video_and_the_next_one_changes_it(library: Library) -> None:
    body = a_video(title="one", metadata={"a": 1}, tags=[tag("place", "Quay"), tag("mood", "calm")])

    created = await put(library, body)
    again = await put(library, body)
    changed = await put(
        library,
        {**body, "title": "two", "file_size": 7, "metadata": {"b": 2}, "tags": [tag("PLACE", "quay")]},
    )
    kept = await put(library, a_video(file_path=body["file_path"], file_size=8))

    assert [answer.status_code for answer in (created, again, changed, kept)] == [201, 200, 200, 200]
    assert created.headers["location"] == f"/v1/videos/{created.json()['id']}"
    assert again.json() == created.json()
    assert {name: changed.json()[name] for name in ("title", "file_size", "metadata", "tags")} == {
        "title": "two",
        "file_size": 7,
        "metadata": {"b": 2},
        "tags": [tag("place", "Quay")],
    }
    assert (kept.json()["title"], kept.json()["tags"]) == ("two", [tag("place", "Quay")])
    assert await library.count() == 1


async def test_of_twenty_puts_of_one_path_at_once_one_creates(library: Library) -> None:
    answers = await asyncio.gather(
        *(put(library, a_video(file_path="/same", file_name=f"{number}")) for number in range(20))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_each_row_of_a_batch_keeps_its_own_values(library: Library) -> None:
    old = await library.add(file_path="/old", title="before", tags=[tag("a", "b")])
    same = a_video(file_path="/same", tags=[tag("a", "b"), tag("A", "B")], metadata={"n": 1})
    await library.post(same)
    videos = [
        a_video(file_path="/new/1", title="one", tags=[tag("k", "1")]),
        a_video(file_path="/new/2", title="two", duration_seconds=2, tags=[tag("k", "2"), tag("K", "2")]),
        a_video(file_path="/old", title="first of two"),
        {**a_video(file_path="/old", file_size=99, title="after"), "tags": [tag("c", "d")]},
        same,
    ]

    result = await batch(library, videos)

    assert result == {"created": 2, "updated": 1, "unchanged": 1, "errors": []}
    listed = {video["file_path"]: video for video in (await library.get("/v1/videos")).json()["items"]}
    assert len(listed) == 4
    for given in (videos[0], videos[3], videos[4]):
        video = listed[given["file_path"]]
        assert {name: video[name] for name in ("title", "file_size", "file_name")} == {
            name: given.get(name) for name in ("title", "file_size", "file_name")
        }
    assert listed["/old"]["id"] == old["id"]
    assert listed["/old"]["tags"] == [tag("c", "d")]
    assert listed["/new/2"]["tags"] == [tag("k", "2")]
    assert await batch(library, videos) == {"created": 0, "updated": 0, "unchanged": 4, "errors": []}


async def test_bad_rows_of_a_batch_are_listed_and_stop_no_other(library: Library) -> None:
    too_long = "/" + "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(1500))
    videos = [
        a_video(),
        a_video(file_size=-1),
        17,
        a_video(file_path=too_long),
        a_video(),
        {"file_path": "/x"},
    ]

    result = await batch(library, videos)

    assert {name: result[name] for name in ("created", "updated", "unchanged")} == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
    }
    assert [error["index"] for error in result["errors"]] == [1, 2, 3, 5]
    assert result["errors"][0]["detail"].startswith("file_size: ")
    assert result["errors"][2]["detail"].startswith("file_path: ")
    assert await library.count() == 2


async def test_a_batch_has_five_thousand_videos_at_most_and_they_are_one_request(library: Library) -> None:
    videos = [a_video(tags=[tag("n", "x")]) for _ in range(5000)]

    result = await batch(library, videos)
    refused = await library.client.post(
        "/v1/videos/batch", json={"videos": [*videos, a_video()]}, headers=library.editor
    )

    assert result["created"] == await library.count() == 5000
    assert refused.status_code == 422
    assert await library.value("SELECT count(*) FROM tags") == 5000


async def test_two_batches_of_the_same_paths_in_opposite_orders_end(library: Library) -> None:
    videos = [a_video() for _ in range(300)]

    results = await asyncio.gather(*(batch(library, videos[::step]) for step in (1, -1, 1, -1)))

    assert sum(result["created"] for result in results) == 300
    assert sum(result["created"] + result["unchanged"] for result in results) == 1200
