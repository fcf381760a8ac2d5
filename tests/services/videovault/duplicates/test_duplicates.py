"""Videos with one content: listed, proved and merged."""

import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.libs.dbcommon.pools import until
from tests.services.videovault.library import Library, a_video, tag
from tests.services.videovault.scans.folders import Films

SMALL = b"content"
BEGINNING, END = b"b" * 70_000, b"e" * 70_000
LARGE, LARGE_TOO = (BEGINNING + middle + END for middle in (b"one", b"two"))
"""Contents with one identity."""


async def groups(library: Library, **parameters: Any) -> list[dict[str, Any]]:
    """The groups of all pages."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await library.get("/v1/duplicates", **parameters, **cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def post(library: Library, path: str, body: Any) -> httpx.Response:
    """POST as the editor."""
    return await library.client.post(path, json=body, headers=library.editor)


async def prove(library: Library, *ids: str) -> None:
    """Have files read, to the end."""
    answer = await post(library, "/v1/duplicates/prove", {"video_ids": ids})
    assert (answer.status_code, answer.json()) == (202, {"waiting": len(ids), "not_found": []})
    await until(
        lambda: library.value("SELECT bool_and(done_at IS NOT NULL OR failed_at IS NOT NULL) FROM proofs")
    )


async def merge(library: Library, keep: str, *others: str) -> httpx.Response:
    """Merge as the editor."""
    return await post(library, "/v1/duplicates/merge", {"keep": keep, "merge": others})


async def test_groups_are_of_one_identity_and_come_in_pages(films: Films) -> None:
    for number in range(5):
        for copy in range(2 + number % 2):
            films.write(f"{number}/{copy}.mp4", f"content {number}")
    for name in ("a.mp4", "b.mp4"):
        films.write(name, "")
        films.write(f"single-{name}")
    await films.scan()
    await films.library.add(hash="given")
    await films.library.add(hash="given")

    whole = await groups(films.library)

    assert sorted(group["count"] for group in whole) == [2, 2, 2, 3, 3]
    assert [group["hash"] for group in whole] == sorted(group["hash"] for group in whole)
    videos = await films.videos()
    for group in whole:
        paths = [video["file_path"].removeprefix(f"{films.folder}/") for video in group["videos"]]
        assert {videos[path]["hash"] for path in paths} == {group["hash"]}
        assert {videos[path]["file_size"] for path in paths} == {group["file_size"]}
        assert (len(paths), group["proved"]) == (group["count"], False)
    assert await groups(films.library, limit=2) == whole
    assert (await films.library.get("/v1/duplicates", cursor="x")).status_code == 422


async def test_one_identity_is_no_proof_and_the_whole_content_is(films: Films) -> None:
    for name, content in (("a", LARGE), ("b", LARGE), ("c", LARGE_TOO)):
        films.write(f"{name}.mp4", content)
    await films.scan()
    ids = await films.ids()
    a, b, c = (ids[f"{name}.mp4"] for name in "abc")

    unproved = await merge(films.library, a, b)
    await prove(films.library, a, b, c)
    (group,) = await groups(films.library)
    different = await merge(films.library, a, b, c)
    merged = await merge(films.library, a, b)

    hashes = {video["id"]: video["full_hash"] for video in group["videos"]}
    assert (group["proved"], hashes[a] == hashes[b], hashes[a] == hashes[c]) == (False, True, False)
    for refused in (unproved, different):
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-identical")
    assert (merged.status_code, merged.json()["merged"]) == (200, 1)
    assert await films.ids() == {"a.mp4": a, "c.mp4": c}
    assert (films.folder / "b.mp4").read_bytes() == LARGE


async def test_a_merge_keeps_the_tags_and_each_users_own_and_is_undone(films: Films) -> None:
    library = films.library
    for name in "abc":
        films.write(f"{name}.mp4", SMALL)
    await films.scan()
    ids = await films.ids()
    a, b, c = (ids[f"{name}.mp4"] for name in "abc")
    for name, tags in (
        ("a", [tag("k", "x")]),
        ("b", [tag("K", "X"), tag("k", "y")]),
        ("c", [tag("k", "y"), tag("m", "z")]),
    ):
        body = a_video(file_path=str(films.folder / f"{name}.mp4"), file_size=len(SMALL), tags=tags)
        assert (
            await library.client.put("/v1/videos/by-path", json=body, headers=library.editor)
        ).status_code == 200
    for video, headers, mine in (
        (a, library.reader, {"rating": 3}),
        (b, library.reader, {"rating": 9, "favourite": True}),
        (c, library.editor, {"rating": 5}),
        (b, library.editor, {"rating": 7}),
    ):
        path = f"/v1/videos/{video}/mine"
        assert (await library.client.put(path, json=mine, headers=headers)).status_code == 200
    await prove(library, a, b, c)

    before = await films.videos()
    merged = await merge(library, a, b, c)
    kept = (await films.videos())["a.mp4"]
    rows = f"FROM mine WHERE video_id = '{a}'"
    own = await library.value(f"SELECT json_agg(json_build_array(rating, favourite) ORDER BY rating) {rows}")
    undone = await post(library, f"/v1/operations/{merged.json()['operation_id']}/undo", None)

    assert kept["tags"] == [tag("k", "x"), tag("k", "y"), tag("m", "z")]
    assert own == [[3, True], [7, False]]
    assert (undone.status_code, undone.json()["kept"]) == (200, [])
    after = await films.videos()
    assert {path: (video["id"], video["tags"]) for path, video in after.items()} == {
        path: (video["id"], video["tags"]) for path, video in before.items()
    }
    assert await library.value(f"SELECT json_agg(json_build_array(rating, favourite)) {rows}") == [[3, False]]


async def test_a_merge_keeps_all_history_and_the_furthest_progress(films: Films) -> None:
    library = films.library
    for name in "abc":
        films.write(f"{name}.mp4", SMALL)
    await films.scan()
    ids = await films.ids()
    a, b, c = (ids[f"{name}.mp4"] for name in "abc")
    await library.execute("UPDATE videos SET duration_seconds = 3600")
    for video, headers, session, position in (
        (b, library.reader, "s", 2000),
        (b, library.reader, "t", 1500),
        (c, library.reader, "s", 40),
        (a, library.reader, "s", 100),
        (a, library.editor, "s", 3599),
        (b, library.editor, "s", 50),
    ):
        path, body = f"/v1/videos/{video}/progress", {"position_seconds": position, "session_id": session}
        assert (await library.client.put(path, json=body, headers=headers)).status_code == 200
    await prove(library, a, b, c)

    merged = await merge(library, a, b, c)
    assert merged.status_code == 200
    history = (await library.get("/v1/history")).json()["items"]
    going_on = (await library.get("/v1/continue-watching")).json()["items"]
    completed = await library.client.get("/v1/continue-watching", headers=library.editor)
    undone = await post(library, f"/v1/operations/{merged.json()['operation_id']}/undo", None)

    assert sorted(each["position_seconds"] for each in history) == [40, 100, 1500, 2000]
    assert {each["video"]["id"] for each in history} == {a}
    assert [(each["video"]["id"], each["position_seconds"]) for each in going_on] == [(a, 1500)]
    assert completed.json()["items"] == []
    assert (undone.status_code, undone.json()["kept"]) == (200, [])
    going_on = (await library.get("/v1/continue-watching")).json()["items"]
    assert {each["video"]["id"]: each["position_seconds"] for each in going_on} == {a: 100, b: 1500, c: 40}


async def test_a_file_that_changed_is_not_proved_any_more(films: Films) -> None:
    films.write("a.mp4", LARGE)
    films.write("b.mp4", LARGE)
    await films.scan()
    ids = await films.ids()
    a, b = ids["a.mp4"], ids["b.mp4"]
    await prove(films.library, a, b)

    films.write("b.mp4", LARGE_TOO)
    os.utime(films.folder / "b.mp4", (1, 1))
    refused = await merge(films.library, a, b)
    await films.scan()
    (group,) = await groups(films.library)
    (films.folder / "b.mp4").unlink()
    await films.scan()
    missing = await merge(films.library, a, b)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-identical")
    assert {video["id"]: video["proof"] for video in group["videos"]} == {a: "proved", b: "none"}
    assert missing.status_code == 409


async def test_two_merges_at_once_leave_one_video(films: Films) -> None:
    for name in "abcd":
        films.write(f"{name}.mp4", SMALL)
    await films.scan()
    ids = list((await films.ids()).values())
    await prove(films.library, *ids)

    answers = await asyncio.gather(
        *(merge(films.library, keep, *(other for other in ids if other != keep)) for keep in ids)
    )

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    (kept,) = await films.ids()
    assert await films.library.count() == 1
    assert kept


async def test_only_files_in_roots_are_read(films: Films, tmp_path: Path) -> None:
    library = films.library
    films.write("a.mp4", SMALL)
    await films.scan()
    (known,) = (await films.ids()).values()
    (films.folder / "a.mp4").unlink()
    outside = tmp_path / "secret"
    outside.write_bytes(SMALL)
    (films.folder / "a.mp4").symlink_to(outside)
    by_hand = (await library.add(file_path=str(outside)))["id"]
    nobody = str(uuid4())

    answer = await post(library, "/v1/duplicates/prove", {"video_ids": [known, by_hand, nobody]})
    await until(lambda: library.value("SELECT bool_and(failed_at IS NOT NULL) FROM proofs"))

    assert answer.json() == {"waiting": 1, "not_found": [by_hand, nobody]}
    assert await library.value("SELECT detail FROM proofs") == "it is not in a root"


async def test_readers_list_and_change_nothing(films: Films) -> None:
    library = films.library
    assert (await library.get("/v1/duplicates")).status_code == 200
    for path, body in (
        ("prove", {"video_ids": [str(uuid4())]}),
        ("merge", {"keep": str(uuid4()), "merge": [str(uuid4())]}),
    ):
        answer = await library.client.post(f"/v1/duplicates/{path}", json=body, headers=library.reader)
        assert answer.status_code == 403
    nothing = await merge(library, str(uuid4()), str(uuid4()))
    assert (nothing.status_code, nothing.json()["type"]) == (404, "/problems/video-not-found")
