"""Operations undone: what others changed since stays."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from dbcommon.engine import Database
from tests.services.videovault.library import Library, tag
from videovault.changes.repository import begin_operation


async def undo(library: Library, operation_id: str) -> httpx.Response:
    """Undo an operation as the editor."""
    return await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)


async def undone(library: Library, operation_id: str) -> dict[str, Any]:
    """Undo an operation; returns the answer."""
    answer = await undo(library, operation_id)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def operate(library: Library, *statements: str) -> str:
    """Run statements as one operation; returns its id."""
    async with library.app.component(Database).transaction() as db:
        operation_id = await begin_operation(db, "tests")
        for statement in statements:
            await db.execute(text(statement))
    return str(operation_id)


async def read(library: Library, video: dict[str, Any]) -> dict[str, Any]:
    """A video as it is now."""
    body: dict[str, Any] = (await library.get(f"/v1/videos/{video['id']}")).json()
    return body


async def test_a_deletion_is_undone_whole_with_the_same_ids(library: Library) -> None:
    video = await library.add(title="t", metadata={"a": 1}, tags=[tag("place", "Quay"), tag("mood", "calm")])
    await library.execute(
        "INSERT INTO watch_history (video_id, user_id, position_seconds) VALUES (:video, :user, 5)",
        video=UUID(video["id"]),
        user=uuid4(),
    )
    rows = "SELECT json_build_array((SELECT json_agg(t ORDER BY id) FROM tags t), (SELECT json_agg(h) FROM watch_history h))"
    before = await library.value(rows)
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    result = await undone(library, operation_id)

    assert (result["undone"], result["kept"]) == (1, [])
    assert await read(library, video) == video
    assert await library.value(rows) == before
    assert video["id"] not in (
        await library.value("SELECT coalesce(array_agg(id::text), '{}') FROM tombstones")
    )


async def test_an_undo_is_undone_in_turn_and_again(library: Library) -> None:
    video = await library.add(tags=[tag("a", "b")])
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    for expected in (200, 404, 200):
        operation_id = (await undone(library, operation_id))["operation_id"]
        assert (await library.get(f"/v1/videos/{video['id']}")).status_code == expected
    assert await read(library, video) == video


async def test_a_deleted_video_whose_path_is_taken_stays_deleted_and_is_listed(library: Library) -> None:
    one, two = await library.add(file_path="/1"), await library.add(file_path="/2")
    deleted = await library.client.post(
        "/v1/videos/bulk-delete",
        json={"video_ids": [one["id"], two["id"], nobody := str(uuid4())]},
        headers=library.editor,
    )
    newcomer = await library.add(file_path="/1")

    result = await undone(library, deleted.json()["operation_id"])

    assert (deleted.json()["changed"], deleted.json()["not_found"]) == (2, [nobody])
    kept = {"entity": "video", "entity_id": one["id"], "field": "*", "reason": "path-taken"}
    assert (result["undone"], result["kept"]) == (1, [kept])
    assert await read(library, two) == two
    assert await read(library, newcomer) == newcomer
    assert (await library.get(f"/v1/videos/{one['id']}")).status_code == 404


async def test_what_was_changed_since_survives_and_is_listed(library: Library) -> None:
    one, two = await library.add(title="a", metadata={"k": 1, "m": 1}), await library.add(title="a")
    operation_id = await operate(
        library,
        "UPDATE videos SET title = 'x', description = 'd', metadata = metadata || '{\"k\": 2, \"n\": 2}'",
        "UPDATE videos SET title = 'y'",
    )
    await library.execute("UPDATE videos SET title = 'other' WHERE id = :id", id=UUID(one["id"]))

    result = await undone(library, operation_id)

    now = await read(library, one)
    assert (now["title"], now["description"], now["metadata"]) == ("other", None, {"k": 1, "m": 1})
    now = await read(library, two)
    assert (now["title"], now["description"], now["metadata"]) == ("a", None, {})
    assert result["kept"] == [
        {"entity": "video", "entity_id": one["id"], "field": "title", "reason": "changed-since"}
    ]
    assert result["undone"] == 7


async def test_the_same_value_set_again_by_another_is_a_change_of_theirs(library: Library) -> None:
    video = await library.add(title="a")
    operation_id = await operate(library, "UPDATE videos SET title = 'x'")
    for title in ("z", "x"):
        await library.execute("UPDATE videos SET title = :title", title=title)

    assert (await undone(library, operation_id))["undone"] == 0
    assert (await read(library, video))["title"] == "x"


async def test_tags_of_a_bulk_act_are_taken_back_and_those_added_since_stay(library: Library) -> None:
    one, two = await library.add(tags=[tag("k", "x")]), await library.add(tags=[tag("k", "y")])
    operation_id = await operate(
        library, "INSERT INTO tags (video_id, tag_category, tag_name) SELECT id, 'k', 'z' FROM videos"
    )
    await library.execute(
        "INSERT INTO tags (video_id, tag_category, tag_name) VALUES (:id, 'k', 'later')", id=UUID(one["id"])
    )

    result = await undone(library, operation_id)

    assert (result["undone"], result["kept"]) == (2, [])
    assert (await read(library, one))["tags"] == [tag("k", "later"), tag("k", "x")]
    assert (await read(library, two))["tags"] == [tag("k", "y")]


async def test_removed_and_respelled_tags_come_back_as_they_were(library: Library) -> None:
    video = await library.add(tags=[tag("k", "Gone"), tag("k", "Old"), tag("k", "stays")])
    operation_id = await operate(
        library,
        "DELETE FROM tags WHERE tag_name = 'Gone'",
        "UPDATE tags SET tag_name = 'OLD' WHERE tag_name = 'Old'",
        "UPDATE tags SET tag_name = 'renamed' WHERE tag_name = 'stays'",
    )
    assert [each["tag_name"] for each in (await read(library, video))["tags"]] == ["OLD", "renamed"]

    await undone(library, operation_id)

    assert (await read(library, video))["tags"] == video["tags"]


async def test_a_tag_that_another_removed_since_is_not_taken_back(library: Library) -> None:
    video = await library.add()
    operation_id = await operate(
        library, "INSERT INTO tags (video_id, tag_category, tag_name) SELECT id, 'k', 'z' FROM videos"
    )
    await library.execute("DELETE FROM tags")

    result = await undone(library, operation_id)

    assert [each["reason"] for each in result["kept"]] == ["changed-since"]
    assert (await read(library, video))["tags"] == []


async def test_moves_are_undone_also_a_swap_but_not_onto_a_path_that_is_taken(library: Library) -> None:
    one, two, three = [await library.add(file_path=path) for path in ("/1", "/2", "/3")]
    moves = [
        {"video_id": one["id"], "file_path": "/2"},
        {"video_id": two["id"], "file_path": "/1"},
        {"video_id": three["id"], "file_path": "/4"},
    ]
    moved = await library.client.post("/v1/videos/bulk-move", json={"moves": moves}, headers=library.editor)
    await library.add(file_path="/3")

    result = await undone(library, moved.json()["operation_id"])

    assert (result["undone"], [each["reason"] for each in result["kept"]]) == (2, ["path-taken"])
    assert [(await read(library, video))["file_path"] for video in (one, two, three)] == ["/1", "/2", "/4"]


async def test_a_video_that_an_operation_made_goes_unless_it_was_changed(library: Library) -> None:
    insert = (
        "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES ('/{}', '{}', 1, 'video/mp4')"
    )
    operation_id = await operate(library, insert.format("a", "a"), insert.format("b", "b"))
    await library.execute("UPDATE videos SET title = 'mine' WHERE file_path = '/b'")

    result = await undone(library, operation_id)

    assert result["undone"] == 1
    assert await library.value("SELECT array_agg(file_path) FROM videos") == ["/b"]


async def test_an_operation_undone_twenty_times_at_once_is_undone_once(library: Library) -> None:
    video = await library.add()
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    answers = await asyncio.gather(*(undo(library, operation_id) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {
        "/problems/operation-undone"
    }
    assert await read(library, video) == video


async def test_an_operation_is_undone_for_thirty_days_and_an_unknown_one_never(library: Library) -> None:
    video = await library.add()
    ids = [(await library.delete(video["id"])).json()["operation_id"]]
    await library.execute(
        "UPDATE operations SET created_at = now() - interval '30 days 1 minute' WHERE id = :id",
        id=UUID(ids[0]),
    )

    answers = [await undo(library, operation_id) for operation_id in (ids[0], str(uuid4()))]

    assert [(answer.status_code, answer.json()["type"]) for answer in answers] == [
        (409, "/problems/operation-expired"),
        (404, "/problems/operation-not-found"),
    ]
    await library.execute(
        "UPDATE operations SET created_at = now() - interval '29 days 23 hours' WHERE id = :id",
        id=UUID(ids[0]),
    )
    assert (await undo(library, ids[0])).status_code == 200
