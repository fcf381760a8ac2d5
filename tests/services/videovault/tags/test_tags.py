"""Tags put on videos, taken off, and renamed, of one and of many; each undone, but for what others changed since."""

import asyncio
import itertools
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.services.videovault.library import Library, tag


async def post(library: Library, path: str, body: Any) -> httpx.Response:
    """POST as the editor."""
    return await library.client.post(path, json=body, headers=library.editor)


async def done(library: Library, path: str, body: Any) -> dict[str, Any]:
    """POST as the editor; returns the answer."""
    answer = await post(library, path, body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def bulk(
    library: Library, videos: list[dict[str, Any]], **changes: list[dict[str, str]]
) -> dict[str, Any]:
    """Change the tags of videos."""
    return await done(library, "/v1/tags/bulk", {"video_ids": [video["id"] for video in videos], **changes})


async def rename(library: Library, old: str, new: str, category: str = "place") -> dict[str, Any]:
    """Rename a tag."""
    return await done(library, "/v1/tags/rename", {"tag_category": category, "from": old, "to": new})


async def undo(library: Library, result: dict[str, Any]) -> dict[str, Any]:
    """Undo an act."""
    return await done(library, f"/v1/operations/{result['operation_id']}/undo", None)


async def tags_of(library: Library, *videos: dict[str, Any]) -> list[list[str]]:
    """The tags of each video as `category:name`."""
    found = [(await library.get(f"/v1/videos/{video['id']}")).json()["tags"] for video in videos]
    return [[f"{each['tag_category']}:{each['tag_name']}" for each in tags] for tags in found]


async def counts(library: Library, **filters: Any) -> dict[str, int]:
    """How many videos have each tag."""
    items = (await library.get("/v1/tags", limit=100, **filters)).json()["items"]
    return {f"{each['tag_category']}:{each['tag_name']}": each["count"] for each in items}


async def take_off(library: Library, video: dict[str, Any], *tags: str) -> httpx.Response:
    """Take tags off a video."""
    path = f"/v1/videos/{video['id']}/tags"
    return await library.client.delete(path, params={"tag": tags}, headers=library.editor)


async def test_tags_are_put_on_a_video_and_taken_off_and_its_etag_changes(library: Library) -> None:
    video = await library.add(tags=[tag("place", "Quay")])
    path = f"/v1/videos/{video['id']}/tags"

    added = await post(
        library, path, {"tags": [tag("PLACE", "quay"), tag("mood", "calm"), tag("Mood", "Calm")]}
    )
    again = await post(library, path, {"tags": [tag("mood", "CALM")]})
    removed = await take_off(library, video, "Place:QUAY", "place:never there")

    assert [each.status_code for each in (added, again, removed)] == [200, 200, 200]
    assert added.json()["tags"] == [tag("mood", "calm"), tag("place", "Quay")]
    assert (again.json(), again.headers["etag"]) == (added.json(), added.headers["etag"])
    assert removed.json()["tags"] == [tag("mood", "calm")]
    assert removed.headers["etag"] != added.headers["etag"]
    assert removed.json() == (await library.get(f"/v1/videos/{video['id']}")).json()


async def test_no_video_gets_more_than_a_hundred_tags(library: Library) -> None:
    full = await library.add(tags=[tag("n", f"{number}") for number in range(100)])
    video = await library.add(tags=[tag("n", f"{number}") for number in range(99)])

    refused = await post(library, f"/v1/videos/{full['id']}/tags", {"tags": [tag("n", "new")]})
    kept = await post(library, f"/v1/videos/{full['id']}/tags", {"tags": [tag("n", "5")]})
    result = await bulk(
        library, [full, video], add=[tag("n", "one"), tag("n", "two")], remove=[tag("n", "98")]
    )

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/tags")
    assert kept.json()["tags"] == full["tags"]
    assert (result["changed"], result["too_many_tags"]) == (1, [full["id"]])
    assert [len(tags) for tags in await tags_of(library, full, video)] == [100, 100]
    assert "n:98" in (await tags_of(library, full))[0]


async def test_a_bulk_act_adds_and_never_replaces_and_what_came_after_it_survives_its_undo(
    library: Library,
) -> None:
    one, two, three = [await library.add(tags=[tag("m", name)]) for name in ("x", "y", "z")]
    nobody = {"id": str(uuid4())}

    result = await bulk(library, [one, nobody, two, three, one], add=[tag("m", "z"), tag("M", "Z")])
    assert await tags_of(library, one, two, three) == [["m:x", "m:z"], ["m:y", "m:z"], ["m:z"]]
    await post(library, f"/v1/videos/{one['id']}/tags", {"tags": [tag("m", "since")]})
    undone = await undo(library, result)

    assert (result["changed"], result["not_found"], result["too_many_tags"]) == (2, [nobody["id"]], [])
    assert (undone["undone"], undone["kept"]) == (2, [])
    assert await tags_of(library, one, two, three) == [["m:since", "m:x"], ["m:y"], ["m:z"]]
    await undo(library, undone)
    assert await tags_of(library, one, two, three) == [["m:since", "m:x", "m:z"], ["m:y", "m:z"], ["m:z"]]


async def test_a_bulk_act_removes_and_adds_at_once_and_is_undone_with_the_spellings_of_before(
    library: Library,
) -> None:
    one, two = await library.add(tags=[tag("m", "X")]), await library.add(tags=[tag("m", "x"), tag("m", "y")])

    result = await bulk(library, [one, two], add=[tag("m", "Y")], remove=[tag("M", "x"), tag("m", "y")])
    assert await tags_of(library, one, two) == [["m:Y"], ["m:y"]]
    # A tag that somebody removed since stays away; what went with the act comes back.
    await take_off(library, one, "m:y")
    undone = await undo(library, result)

    assert await tags_of(library, one, two) == [["m:X"], ["m:x", "m:y"]]
    kept = {"entity": "tag", "entity_id": one["id"], "field": "m:y", "reason": "changed-since"}
    assert (undone["undone"], undone["kept"]) == (2, [kept])


async def test_only_the_spelling_of_a_tag_changes_and_nothing_is_merged(library: Library) -> None:
    videos = [await library.add(tags=[tag("place", name)]) for name in ("example", "example", "EXAMPLE")]
    other = await library.add(tags=[tag("mood", "example")])
    before = await counts(library)

    result = await rename(library, "example", "Example")

    assert (result["renamed"], result["merged"]) == (3, 0)
    assert await tags_of(library, *videos, other) == [["place:Example"]] * 3 + [["mood:example"]]
    assert list((await counts(library)).values()) == list(before.values())
    assert (await rename(library, "EXAMPLE", "Example"))["renamed"] == 0
    await undo(library, result)
    assert await tags_of(library, *videos) == [["place:example"], ["place:example"], ["place:EXAMPLE"]]


async def test_a_renaming_onto_another_name_merges_and_is_undone_exactly(library: Library) -> None:
    videos = [
        await library.add(tags=[tag("place", "Pier"), tag("m", "x")]),
        await library.add(tags=[tag("place", "pier"), tag("Place", "QUAY")]),
        await library.add(tags=[tag("place", "Quay")]),
        await library.add(tags=[tag("other", "pier")]),
    ]
    before = await tags_of(library, *videos)

    result = await rename(library, "PIER", "Quay")

    assert (result["renamed"], result["merged"]) == (1, 1)
    after = [["m:x", "place:Quay"], ["Place:QUAY"], ["place:Quay"], ["other:pier"]]
    assert await tags_of(library, *videos) == after
    assert "place:pier" not in {name.lower() for name in await counts(library)}
    undone = await undo(library, result)
    assert await tags_of(library, *videos) == before
    await undo(library, undone)
    assert await tags_of(library, *videos) == after


async def test_what_was_changed_since_a_renaming_survives_its_undo(library: Library) -> None:
    gone, both, more = [await library.add(tags=[tag("place", "Pier")]) for _ in range(3)]
    result = await rename(library, "Pier", "Quay")
    late = await library.add(tags=[tag("place", "Quay")])
    await take_off(library, gone, "place:quay")
    await post(library, f"/v1/videos/{both['id']}/tags", {"tags": [tag("place", "pier")]})
    await post(library, f"/v1/videos/{more['id']}/tags", {"tags": [tag("m", "x")]})
    deleted = await library.add(tags=[tag("place", "Pier")])

    undone = await undo(library, result)

    assert await tags_of(library, gone, both, more, late, deleted) == [
        [],
        ["place:pier"],
        ["m:x", "place:Pier"],
        ["place:Quay"],
        ["place:Pier"],
    ]
    assert {kept["entity_id"] for kept in undone["kept"]} == {gone["id"]}


async def test_a_renaming_of_no_tag_is_404_and_no_operation(library: Library) -> None:
    before = await library.value("SELECT count(*) FROM operations")

    answer = await post(library, "/v1/tags/rename", {"tag_category": "a", "from": "b", "to": "c"})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/tag-not-found")
    assert await library.value("SELECT count(*) FROM operations") == before


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("bulk", {"video_ids": [], "add": [tag("a", "b")]}, "#/video_ids"),
        ("bulk", {"video_ids": ["x"], "add": [tag("a", "b")]}, "#/video_ids/0"),
        ("bulk", {"video_ids": [str(UUID(int=1))], "add": [tag("a:b", "c")]}, "#/add/0/tag_category"),
        ("bulk", {"video_ids": [str(UUID(int=1))], "add": [tag("a", " ")]}, "#/add/0/tag_name"),
        ("bulk", {"video_ids": [str(UUID(int=1))], "remove": [tag("a", "b\0")]}, "#/remove/0/tag_name"),
        ("bulk", {"video_ids": [str(UUID(int=1))], "add": [tag("a", "x" * 201)]}, "#/add/0/tag_name"),
        ("bulk", {"video_ids": [str(UUID(int=1))], "add": [tag("a", f"{n}") for n in range(21)]}, "#/add"),
        ("rename", {"tag_category": "a", "from": "b"}, "#/to"),
        ("rename", {"tag_category": "-a", "from": "b", "to": "c"}, "#/tag_category"),
        ("rename", {"tag_category": "a", "from": "b", "to": ""}, "#/to"),
        ("rename", {"tag_category": "a", "from": "b", "to": "\ufdfa" * 20}, "#/to"),
    ],
)
async def test_invalid_bodies_are_refused(library: Library, path: str, body: Any, pointer: str) -> None:
    answer = await post(library, f"/v1/tags/{path}", body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("criterion", ["", "place", ":quay", "place:", "-place:quay", "place:\0"])
async def test_a_tag_to_take_off_is_a_category_and_a_name(library: Library, criterion: str) -> None:
    video = await library.add(tags=[tag("place", "Quay")])

    assert (await take_off(library, video, criterion)).status_code == 422
    assert (await take_off(library, video)).status_code == 422
    assert await tags_of(library, video) == [["place:Quay"]]


async def test_readers_change_no_tags_and_no_video_is_404(library: Library) -> None:
    video, nobody = await library.add(tags=[tag("a", "b")]), {"id": str(uuid4())}
    forbidden = [
        await library.client.post(path, json=body, headers=library.reader)
        for path, body in (
            (f"/v1/videos/{video['id']}/tags", {"tags": [tag("a", "c")]}),
            ("/v1/tags/bulk", {"video_ids": [video["id"]], "remove": [tag("a", "b")]}),
            ("/v1/tags/rename", {"tag_category": "a", "from": "b", "to": "c"}),
        )
    ]

    assert [answer.status_code for answer in forbidden] == [403] * 3
    assert (
        await post(library, f"/v1/videos/{nobody['id']}/tags", {"tags": [tag("a", "c")]})
    ).status_code == 404
    assert (await take_off(library, nobody, "a:b")).status_code == 404
    assert await tags_of(library, video) == [["a:b"]]


async def test_fifty_bulk_acts_at_once_in_any_order_of_ids_lose_no_tag(library: Library) -> None:
    videos = [await library.add() for _ in range(12)]
    orders = itertools.cycle((videos, videos[::-1], videos[::2] + videos[1::2]))

    results = await asyncio.gather(
        *(
            bulk(library, order, add=[tag("n", f"{number:02}")])
            for number, order in zip(range(50), orders, strict=False)
        )
    )

    assert {result["changed"] for result in results} == {12}
    assert await tags_of(library, *videos) == [[f"n:{number:02}" for number in range(50)]] * 12


async def test_renamings_and_bulk_acts_at_once_end_and_lose_no_tag(library: Library) -> None:
    videos = [await library.add(tags=[tag("place", "a")]) for _ in range(12)]
    ids = [video["id"] for video in videos[::-1]]

    renamings = [
        post(library, "/v1/tags/rename", {"tag_category": "place", "from": old, "to": new})
        for old, new in (("a", "b"), ("b", "a"), ("a", "c"), ("c", "b"), ("b", "c")) * 3
    ]
    acts = [
        post(library, "/v1/tags/bulk", {"video_ids": ids, "add": [tag("n", f"{number}")]})
        for number in range(10)
    ]

    answers = await asyncio.gather(*renamings, *acts)

    assert {answer.status_code for answer in answers[:15]} <= {200, 404}
    assert {answer.status_code for answer in answers[15:]} == {200}
    for tags in await tags_of(library, *videos):
        assert len([each for each in tags if each.startswith("place:")]) == 1, tags
        assert len(tags) == 11


async def test_a_deletion_is_later_than_a_tag_of_a_clock_that_is_ahead(library: Library) -> None:
    video = await library.add()
    ahead = "9999999999999-00007-phone"
    await library.execute(
        "INSERT INTO tags (video_id, tag_category, tag_name, dots)"
        " VALUES (:id, 'a', 'b', jsonb_build_object(CAST(:at AS text), jsonb_build_array('a', 'b')))",
        id=UUID(video["id"]),
        at=ahead,
    )
    await take_off(library, video, "a:b")
    await post(library, f"/v1/videos/{video['id']}/tags", {"tags": [tag("a", "b")]})
    dots = await library.value("SELECT dots FROM tags")

    await library.delete(video["id"])

    assert list(dots) == ["9999999999999-00008-server"]
    assert await library.value("SELECT max(at) FROM tombstones") == "9999999999999-00009-server"
