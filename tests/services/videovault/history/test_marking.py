"""Marks, a deleted history, and both beside heartbeats."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from tests.services.videovault.history.viewer import Viewer, ago
from tests.services.videovault.library import Library


async def test_a_mark_completes_what_is_not_and_is_undone(library: Library, viewer: Viewer) -> None:
    fresh, half, done = [await library.add(duration_seconds=1000) for _ in range(3)]
    await viewer.beat(half, 300, session_id="half")
    await viewer.beat(done, 1000, session_id="done")
    nobody = {"id": str(uuid4())}

    marked = await viewer.mark([fresh, half, done, nobody, fresh], watched=True)

    assert (marked["changed"], marked["not_found"]) == (2, [nobody["id"]])
    assert await viewer.unfinished() == []
    assert [each[2] for each in await viewer.history()] == [True, True, True, False]
    undone = await viewer.undo(marked["operation_id"])
    assert (undone["undone"], undone["kept"]) == (2, [])
    assert await viewer.unfinished() == [(half["id"], 300)]
    assert sorted(await viewer.history()) == [("done", 1000, True), ("half", 300, False)]
    await viewer.undo(undone["operation_id"])
    assert await viewer.unfinished() == []


async def test_what_is_marked_as_not_watched_never_was_and_the_undo_gives_it_back(
    library: Library, viewer: Viewer
) -> None:
    video, other = [await library.add(duration_seconds=1000) for _ in range(2)]
    await viewer.beat(video, 1000, session_id="one")
    await viewer.beat(video, 400, session_id="two")
    await viewer.beat(other, 400, session_id="other")

    marked = await viewer.mark([video], watched=False)

    assert marked["changed"] == 1
    assert await viewer.history() == [("other", 400, False)]
    assert (await viewer.beat(video, 3, session_id="three"))["completed_before"] is False
    await viewer.undo(marked["operation_id"])
    assert sorted(await viewer.history()) == [("one", 1000, True), ("other", 400, False), ("two", 400, False)]


async def test_what_was_watched_since_survives_the_undo_of_a_mark(library: Library, viewer: Viewer) -> None:
    video = await library.add(duration_seconds=1000)
    await viewer.beat(video, 300, session_id="s")
    marked = await viewer.mark([video], watched=False)
    await viewer.beat(video, 950, session_id="s")

    undone = await viewer.undo(marked["operation_id"])

    assert [each["reason"] for each in undone["kept"]] == ["changed-since"]
    assert await viewer.history() == [("s", 950, True)]


async def test_nobody_undoes_the_mark_of_another_user(library: Library, viewer: Viewer) -> None:
    video = await library.add()
    marked = await viewer.mark([video], watched=True)
    path = f"/v1/operations/{marked['operation_id']}/undo"

    for headers in (library.editor, library.reader):
        assert (await library.client.post(path, headers=headers)).status_code == 404


@pytest.mark.long
async def test_five_thousand_videos_are_marked_and_undone_by_few_statements(
    library: Library, viewer: Viewer
) -> None:
    await library.execute(
        "INSERT INTO videos (file_path, file_name, file_size, mime_type)"
        " SELECT '/marks/' || n, n, n, 'video/mp4' FROM generate_series(1, 5000) n"
    )
    ids = await library.value("SELECT json_agg(id) FROM videos")
    videos = [{"id": video_id} for video_id in ids]
    watched = await viewer.mark(videos, watched=True)
    unwatched = await viewer.mark(videos, watched=False)
    undone = await viewer.undo(unwatched["operation_id"])

    assert (watched["changed"], unwatched["changed"]) == (5000, 5000)
    assert (undone["undone"], undone["kept"]) == (10_000, [])
    completed = f"SELECT count(*) FROM watch_history WHERE user_id = '{viewer.id}' AND completed"  # noqa: S608
    assert await library.value(completed) == 5000


async def test_deleting_silences_viewings_that_were_begun_and_no_others(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    await viewer.beat(video, 100, session_id="named")
    unnamed = await viewer.beat(video, 100, watched_at=ago(minutes=20))
    await viewer.call("DELETE", "/v1/history", status=204)

    silent = [
        await viewer.beat(video, 110, session_id="named"),
        await viewer.beat(video, 110, watched_at=ago(minutes=15)),
        await viewer.beat(video, 120, watched_at=ago(minutes=-4)),
        await viewer.beat(video, 120, session_id=unnamed["session_id"]),
    ]

    assert [(each["applied"], each["position_seconds"], each["watched_at"]) for each in silent] == [
        (False, 0, None)
    ] * 4
    assert silent[1]["session_id"] == silent[2]["session_id"] == unnamed["session_id"]
    assert await viewer.history() == []
    await viewer.beat(video, 7, session_id="new")
    assert await viewer.history() == [("new", 7, False)]


async def test_marks_and_deletions_beside_heartbeats_leave_no_half(library: Library, viewer: Viewer) -> None:
    videos = [await library.add(duration_seconds=100) for _ in range(4)]

    async def play(number: int) -> None:
        for position in range(10, 30):
            await viewer.beat(videos[number], position, session_id=f"s{number}")

    async def act() -> None:
        for number in range(5):
            marked = await viewer.mark(videos, watched=bool(number % 2))
            await viewer.undo(marked["operation_id"])
        await viewer.call("DELETE", "/v1/history", status=204)

    await asyncio.gather(*map(play, range(4)), act())

    # What had begun before the deletion is silent; what is left began after it, and went on to its end.
    assert {position for _, position, _ in await viewer.history()} <= {29}
    await viewer.call("DELETE", "/v1/history", status=204)
    assert await viewer.history() == []


async def test_a_heartbeat_that_waits_for_the_deletion_is_silent(library: Library, viewer: Viewer) -> None:
    video = await library.add()
    await viewer.beat(video, 10, session_id="s")
    async with library.app.component(Database).transaction() as db:
        await db.execute(text("SELECT FROM owners WHERE user_id = :id FOR UPDATE"), {"id": viewer.id})
        await db.execute(text("DELETE FROM watch_history WHERE user_id = :id"), {"id": viewer.id})
        waiting = asyncio.create_task(viewer.beat(video, 20, session_id="s"))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not waiting.done() and not (await db.execute(waits)).scalar_one():
            pass

    assert (await waiting)["applied"] is False
    assert await viewer.history() == []
