"""Videos changed, recorded anew by their path, and moved."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library, a_video, tag


async def patch(library: Library, video: dict[str, Any], body: Any, **headers: str) -> httpx.Response:
    """Change a video as the editor."""
    return await library.client.patch(
        f"/v1/videos/{video['id']}", json=body, headers=library.editor | headers
    )


async def test_a_patch_changes_what_is_given_and_metadata_by_a_merge(library: Library) -> None:
    video = await library.add(
        title="old",
        duration_seconds=5,
        metadata={"a": 1, "b": {"c": 1, "d": 2}, "e": [1]},
        tags=[tag("x", "y")],
    )

    answer = await patch(
        library,
        video,
        {
            "title": "new",
            "duration_seconds": None,
            "metadata": {"a": None, "b": {"c": None, "f": 3}, "e": [2]},
        },
    )

    assert answer.status_code == 200
    assert answer.json() == video | {
        "title": "new",
        "duration_seconds": None,
        "metadata": {"b": {"d": 2, "f": 3}, "e": [2]},
        "updated_at": answer.json()["updated_at"],
    }
    assert answer.json()["updated_at"] > video["updated_at"]
    read = await library.get(f"/v1/videos/{video['id']}")
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    fields = {row["field"] for row in (await read_log(library, video["id"]))[2:]}
    assert fields == {"title", "duration_seconds", "metadata/a", "metadata/b", "metadata/e"}


@pytest.mark.parametrize("body", [{}, {"title": "same"}, {"metadata": {"n": 1}}, {"metadata": {}}])
async def test_a_patch_that_changes_nothing_is_no_change(library: Library, body: dict[str, Any]) -> None:
    video = await library.add(title="same", metadata={"n": 1})

    assert (await patch(library, video, body)).json() == video
    assert len(await read_log(library, video["id"])) == 1


async def test_true_is_not_one(library: Library) -> None:
    video = await library.add(metadata={"n": 1})

    assert (await patch(library, video, {"metadata": {"n": True}})).json()["metadata"] == {"n": True}


@pytest.mark.parametrize(
    "body",
    [
        {"file_name": None},
        {"mime_type": None},
        {"file_name": ""},
        {"file_path": "/other"},
        {"file_size": 5},
        {"metadata": []},
        {"title": ""},
        {"duration_seconds": 1.5},
    ],
)
async def test_an_invalid_patch_is_refused(library: Library, body: dict[str, Any]) -> None:
    video = await library.add()

    answer = await patch(library, video, body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{next(iter(body))}")
    assert (await library.get(f"/v1/videos/{video['id']}")).json() == video


async def test_a_patch_with_if_match_is_made_only_on_what_it_names(library: Library) -> None:
    video = await library.add()
    etag = (await library.get(f"/v1/videos/{video['id']}")).headers["etag"]

    for stale in ('"other"', f"W/{etag}"):
        refused = await patch(library, video, {"title": "no"}, **{"If-Match": stale})
        assert (refused.status_code, refused.json()["type"]) == (412, "/problems/video-changed")
    first = await patch(library, video, {"title": "yes"}, **{"If-Match": f'"other", {etag}'})
    second = await patch(library, video, {"title": "late"}, **{"If-Match": etag})
    third = await patch(library, video, {"title": "any"}, **{"If-Match": "*"})

    assert [answer.status_code for answer in (first, second, third)] == [200, 412, 200]


async def test_of_twenty_patches_of_one_version_at_once_one_is_made(library: Library) -> None:
    video = await library.add()
    etag = (await library.get(f"/v1/videos/{video['id']}")).headers["etag"]

    answers = await asyncio.gather(
        *(patch(library, video, {"title": f"{number}"}, **{"If-Match": etag}) for number in range(20))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19


async def test_a_patch_of_no_video_is_404(library: Library) -> None:
    assert (await patch(library, {"id": uuid4()}, {"title": "x"})).status_code == 404


async def test_a_move_changes_the_path_and_keeps_the_rest(library: Library) -> None:
    video = await library.add(file_path="/a/film.mp4", file_name="film.mp4", tags=[tag("x", "y")])
    other = await library.add(file_path="/b/taken.mp4", file_name="another name")

    async def move(moved: dict[str, Any], path: str) -> httpx.Response:
        return await library.client.post(
            f"/v1/videos/{moved['id']}/move", json={"file_path": path}, headers=library.editor
        )

    answer = await move(video, "/b/2026.mp4")
    taken = await move(video, "/b/taken.mp4")
    named = await move(other, "/c/taken.mp4")
    missing = await move({"id": uuid4()}, "/d")

    assert answer.status_code == 200
    assert answer.json() == video | {
        "file_path": "/b/2026.mp4",
        "file_name": "2026.mp4",
        "updated_at": answer.json()["updated_at"],
    }
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/path-taken")
    assert named.json()["file_name"] == "another name"
    assert missing.status_code == 404


async def test_a_bulk_move_swaps_paths_and_is_made_whole_or_not_at_all(library: Library) -> None:
    one, two, three = [await library.add(file_path=path) for path in ("/1", "/2", "/3")]
    nobody = str(uuid4())

    async def move(targets: dict[str, str]) -> httpx.Response:
        moves = [{"video_id": video_id, "file_path": path} for video_id, path in targets.items()]
        return await library.client.post(
            "/v1/videos/bulk-move", json={"moves": moves}, headers=library.editor
        )

    swapped = await move({one["id"]: "/2", two["id"]: "/1", nobody: "/4"})
    refused = await move({one["id"]: "/5", two["id"]: "/3"})
    twice = await move({one["id"]: "/6", two["id"]: "/6"})

    assert (swapped.json()["changed"], swapped.json()["not_found"]) == (2, [nobody])
    assert (refused.status_code, twice.status_code) == (409, 409)
    paths = [
        (await library.get(f"/v1/videos/{video['id']}")).json()["file_path"] for video in (one, two, three)
    ]
    assert paths == ["/2", "/1", "/3"]
    logged = [(row["field"], row["old"], row["new"]) for row in await read_log(library, one["id"])][1:]
    assert logged == [("file_path", "/1", "/2")]


async def test_readers_change_nothing(library: Library) -> None:
    video = await library.add()
    path = f"/v1/videos/{video['id']}"
    requests = [
        ("PATCH", path, {"title": "x"}),
        ("PUT", "/v1/videos/by-path", a_video()),
        ("POST", "/v1/videos/batch", {"videos": []}),
        ("POST", "/v1/videos/bulk-delete", {"video_ids": [video["id"]]}),
        ("POST", "/v1/videos/bulk-move", {"moves": [{"video_id": video["id"], "file_path": "/x"}]}),
        ("POST", f"{path}/move", {"file_path": "/x"}),
    ]

    for method, url, body in requests:
        answer = await library.client.request(method, url, json=body, headers=library.reader)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden"), url
    assert (await library.get(path)).json() == video
