"""Heartbeats over HTTP: viewings, what counts of them, and what is refused."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.services.videovault.history.viewer import Viewer, ago
from tests.services.videovault.library import Library


async def test_the_answer_says_where_the_viewing_is(library: Library, viewer: Viewer) -> None:
    video = await library.add(duration_seconds=3600)

    answer = await viewer.beat(video, 3239.99, session_id="s1", watched_at="2026-11-22T18:30:00Z")

    assert answer == {
        "session_id": "s1",
        "position_seconds": 3239,
        "completed": False,
        "completed_before": False,
        "watched_at": "2026-11-22T18:30:00Z",
        "applied": True,
    }
    assert (await viewer.beat(video, 3240, session_id="s1"))["completed"] is True
    [item] = (await viewer.call("GET", "/v1/history"))["items"]
    assert item["video"] == (await library.get(f"/v1/videos/{video['id']}")).json()


async def test_a_video_that_is_watched_again_stays_watched_and_is_gone_on_with(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add(duration_seconds=3600)
    await viewer.beat(video, 3600, session_id="s1")
    assert await viewer.unfinished() == []

    again = await viewer.beat(video, 120, session_id="s2")

    assert (again["completed"], again["completed_before"]) == (False, True)
    assert await viewer.unfinished() == [(video["id"], 120)]
    assert await viewer.history() == [("s2", 120, False), ("s1", 3600, True)]


async def test_under_five_seconds_nothing_is_listed(library: Library, viewer: Viewer) -> None:
    video = await library.add()
    answer = await viewer.beat(video, 4.9, session_id="s")
    assert (answer["position_seconds"], answer["applied"]) == (4, True)
    assert (await viewer.history(), await viewer.unfinished()) == ([], [])

    await viewer.beat(video, 5, session_id="s")

    assert (await viewer.history(), await viewer.unfinished()) == ([("s", 5, False)], [(video["id"], 5)])


async def test_without_a_known_duration_only_the_player_completes(library: Library, viewer: Viewer) -> None:
    video = await library.add()

    assert (await viewer.beat(video, 10**6))["completed"] is False
    assert (await viewer.beat(video, 10**6, completed=True))["completed"] is True


async def test_heartbeats_without_a_session_within_thirty_minutes_are_one_viewing(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    first = await viewer.beat(video, 10, watched_at=ago(minutes=120))
    same = await viewer.beat(video, 20, watched_at=ago(minutes=95))
    paused = await viewer.beat(video, 20, watched_at=ago(minutes=70))
    goes_on = await viewer.beat(video, 30, watched_at=ago(minutes=45))
    other = await viewer.beat(video, 40)
    named = await viewer.beat(video, 50, session_id="s")

    assert first["session_id"] == same["session_id"] == paused["session_id"] == goes_on["session_id"]
    assert [each["applied"] for each in (first, same, paused, goes_on)] == [True, True, False, True]
    assert len({first["session_id"], other["session_id"], named["session_id"]}) == 3
    assert [each[1] for each in await viewer.history()] == [50, 40, 30]
    by_its_name = await viewer.beat(video, 60, session_id=first["session_id"])
    assert by_its_name["applied"] is True
    assert len(await viewer.history()) == 3


async def test_within_a_viewing_an_older_time_never_overwrites_a_newer(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add(duration_seconds=1000)
    await viewer.beat(video, 300, session_id="s", watched_at="2026-11-22T18:30:00Z")

    late = await viewer.beat(video, 990, session_id="s", watched_at="2026-11-22T18:29:59.9Z")

    expected = {"position_seconds": 300, "completed": False, "watched_at": "2026-11-22T18:30:00Z"}
    assert {name: late[name] for name in expected} == expected
    assert late["applied"] is False


async def test_a_paused_player_moves_no_time_and_an_old_one_counts_again_when_it_goes_on(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    first = await viewer.beat(video, 100, session_id="tv", watched_at=ago(minutes=9))
    await viewer.beat(video, 20, session_id="phone", watched_at=ago(minutes=8))

    paused = await viewer.beat(video, 100, session_id="tv")
    assert (paused["watched_at"], paused["applied"]) == (first["watched_at"], False)
    assert await viewer.unfinished() == [(video["id"], 20)]

    await viewer.beat(video, 101, session_id="tv")
    assert await viewer.unfinished() == [(video["id"], 101)]


async def test_the_youngest_viewing_counts_whatever_the_clock_of_its_device_says(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    ahead = await viewer.beat(video, 500, session_id="ahead", watched_at=ago(hours=-1))
    behind = await viewer.beat(video, 60, session_id="behind", watched_at=ago(hours=1))

    assert ahead["watched_at"] < ago(seconds=-60)
    assert behind["applied"] is True
    assert await viewer.unfinished() == [(video["id"], 60)]
    assert await viewer.history() == [("ahead", 500, False), ("behind", 60, False)]


async def test_each_user_has_a_history_of_their_own(library: Library, viewer: Viewer) -> None:
    video = await library.add()
    other = Viewer(library=library, mint=viewer.mint)
    await viewer.beat(video, 50, session_id="s")
    await other.beat(video, 70, session_id="s")
    await other.call("DELETE", "/v1/history", status=204)

    assert await viewer.history() == [("s", 50, False)]
    assert await other.history() == []


async def test_the_viewings_of_a_deleted_video_are_there_again_when_it_is(
    library: Library, viewer: Viewer
) -> None:
    video = await library.add()
    await viewer.beat(video, 50, session_id="s")
    operation_id = (await library.delete(video["id"])).json()["operation_id"]
    await viewer.call("PUT", f"/v1/videos/{video['id']}/progress", json={"position_seconds": 9}, status=404)
    assert (await viewer.history(), await viewer.unfinished()) == ([], [])

    await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)

    assert await viewer.history() == [("s", 50, False)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"position_seconds": NaN}',
        b'{"position_seconds": Infinity}',
        b'{"position_seconds": 1e300}',
        b'{"position_seconds": 2147483648}',
        b'{"position_seconds": -1}',
        b'{"position_seconds": -0.5}',
        b'{"position_seconds": true}',
        b'{"position_seconds": "5"}',
        b'{"position_seconds": 5, "completed": 1}',
        b'{"position_seconds": 5, "session_id": ""}',
        b'{"position_seconds": 5, "session_id": "\\u0000"}',
        b'{"position_seconds": 5, "watched_at": "2026-11-22"}',
        b'{"position_seconds": 5, "watched_at": 1795372200}',
        b"{}",
    ],
)
async def test_what_is_no_heartbeat_is_refused(library: Library, viewer: Viewer, body: bytes) -> None:
    video = await library.add()

    answer = await library.client.put(
        f"/v1/videos/{video['id']}/progress",
        content=body,
        headers={**viewer.headers, "Content-Type": "application/json"},
    )

    assert answer.status_code == 422
    assert await viewer.history() == []


async def test_a_video_that_is_not_there_is_404(viewer: Viewer) -> None:
    body = {"position_seconds": 5}
    refused = await viewer.call("PUT", f"/v1/videos/{uuid4()}/progress", json=body, status=404)
    assert refused["type"] == "/problems/video-not-found"


@pytest.mark.parametrize("session", [{"session_id": "s"}, {}])
async def test_of_fifty_heartbeats_at_once_one_viewing_is_left_and_the_latest_holds(
    library: Library, viewer: Viewer, session: dict[str, str]
) -> None:
    video = await library.add()

    answers = await asyncio.gather(
        *(
            viewer.beat(video, 10 + number, watched_at=f"2026-11-22T18:30:{number:02}Z", **session)
            for number in (n * 7 % 50 for n in range(50))
        )
    )

    assert len({answer["session_id"] for answer in answers}) == 1
    [(_, position, _)] = await viewer.history()
    assert position == 59
    rows = "SELECT count(*) FROM watch_history WHERE user_id = '{}'"
    assert await library.value(rows.format(viewer.id)) == 1


async def test_two_sessions_at_once_are_two_viewings(library: Library, viewer: Viewer) -> None:
    video = await library.add()

    await asyncio.gather(
        *(viewer.beat(video, 10 + n, session_id=name) for n in range(20) for name in ("tv", "phone"))
    )

    found: dict[str, Any] = {session: position for session, position, _ in await viewer.history()}
    assert found.keys() == {"tv", "phone"}
    assert len(await viewer.unfinished()) == 1


async def test_the_pages_of_the_history_are_in_order_and_whole(library: Library, viewer: Viewer) -> None:
    videos = [await library.add(file_name=f"{number}.mp4") for number in range(5)]
    for number, video in enumerate(videos):
        await viewer.beat(video, 10 + number, watched_at="2026-11-22T18:30:00Z" if number < 3 else None)
    for path in ("/v1/history", "/v1/continue-watching"):
        names, cursor = [], ""
        while True:
            page = await viewer.call("GET", f"{path}?limit=2{cursor}")
            names += [each["video"]["file_name"] for each in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert names[:2] == ["4.mp4", "3.mp4"]
        assert sorted(names) == [f"{number}.mp4" for number in range(5)]
