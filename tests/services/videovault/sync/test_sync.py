"""Sync over HTTP: operations of devices, and pulls."""

import asyncio

from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library, tag
from tests.services.videovault.sync.device import DAY, Device, shown_by_api


async def test_a_video_made_on_a_device_is_a_video_like_others(library: Library) -> None:
    phone = Device(library)
    video_id = phone.create(title="Harbour", metadata={"width": 1920}, file_path="local:7/a.mp4")
    phone.tag(video_id, "Place", "Quay")

    await phone.sync()

    video = (await library.get(f"/v1/videos/{video_id}")).json()
    assert (video["title"], video["metadata"], video["file_path"]) == (
        "Harbour",
        {"width": 1920},
        "local:7/a.mp4",
    )
    assert video["tags"] == [tag("Place", "Quay")]
    assert "harbour" in await library.value("SELECT words FROM videos")
    made = (await read_log(library, video_id))[0]
    assert made["at"].endswith(f"-{phone.name}")


async def test_what_others_change_is_pulled(library: Library) -> None:
    phone, desk = Device(library), Device(library)
    video = await library.add(title="one", metadata={"a": 1, "b": 2}, tags=[tag("k", "v"), tag("k", "w")])
    await phone.sync()
    assert phone.record(video["id"]) == shown_by_api(video)

    await library.client.patch(
        f"/v1/videos/{video['id']}", json={"title": "two", "metadata": {"a": None}}, headers=library.editor
    )
    await library.execute("DELETE FROM tags WHERE tag_name = 'v'")
    await phone.sync()
    await desk.sync()

    now = (await library.get(f"/v1/videos/{video['id']}")).json()
    assert phone.record(video["id"]) == desk.record(video["id"]) == shown_by_api(now)
    await library.delete(video["id"])
    await phone.sync()
    assert phone.record(video["id"]) is None


async def test_a_repeated_operation_is_done_once_and_answered_alike(library: Library) -> None:
    phone = Device(library)
    video_id = phone.create(title="a")
    queue = list(phone.queue)

    first = await phone.sync()
    await library.execute("UPDATE videos SET title = 'b'")
    again = await phone.push(queue)
    at_once = await asyncio.gather(*(Device(library).push(queue) for _ in range(10)))

    assert first["results"] == again["results"]
    assert all(answer["results"] == first["results"] for answer in at_once)
    assert (await library.get(f"/v1/videos/{video_id}")).json()["title"] == "b"
    assert len(await read_log(library, video_id)) == 2


async def test_operations_sent_twice_at_once_are_done_once(library: Library) -> None:
    phone = Device(library)
    ids = [phone.create() for _ in range(20)]
    for video_id in ids:
        phone.tag(video_id, "k", "v")
    queue = list(phone.queue)

    answers = await asyncio.gather(*(phone.push(queue) for _ in range(8)))

    assert all(answer["results"] == answers[0]["results"] for answer in answers)
    assert {result["status"] for result in answers[0]["results"]} == {"applied"}
    assert await library.count() == 20
    assert [row["field"] for row in await read_log(library, ids[0])] == ["*", "k:v"]


async def test_the_later_change_of_a_field_holds_and_the_other_stays_readable(library: Library) -> None:
    phone, desk = Device(library), Device(library)
    video_id = phone.create(title="zero")
    await phone.sync()
    await desk.sync()
    early = phone.set(video_id, "title", "early")
    late = desk.set(video_id, "title", "late")
    phone.set(video_id, "description", "kept")

    assert (await desk.sync())["results"][0]["status"] == "applied"
    answer = await phone.sync()

    assert [result["status"] for result in answer["results"]] == ["superseded", "applied"]
    video = (await library.get(f"/v1/videos/{video_id}")).json()
    assert (video["title"], video["description"]) == ("late", "kept")
    changes = (await library.get(f"/v1/videos/{video_id}/changes")).json()["items"]
    lost = next(change for change in changes if change["status"] == "superseded")
    assert (lost["new"], lost["old"], lost["at"]) == ("early", "late", early["at"])
    assert early["at"] < late["at"]


async def test_of_two_values_of_one_batch_the_first_stays_readable(library: Library) -> None:
    phone = Device(library)
    video_id = phone.create(title="zero")
    for title in ("one", "two"):
        phone.set(video_id, "title", title)
    await phone.sync()

    changes = (await library.get(f"/v1/videos/{video_id}/changes")).json()["items"]

    assert ("one", "superseded") in [(change["new"], change["status"]) for change in changes]


async def test_a_clock_a_day_ahead_neither_wins_nor_loses_every_change(library: Library) -> None:
    ahead, right = Device(library, offset_ms=DAY), Device(library)
    video_id = ahead.create(title="zero")
    ahead.set(video_id, "title", "a")
    await ahead.sync()
    await right.sync()
    right.set(video_id, "title", "b")
    await right.sync()
    await ahead.sync()

    assert ahead.record(video_id) == right.record(video_id)
    assert (await library.get(f"/v1/videos/{video_id}")).json()["title"] == "b"
    await library.client.patch(f"/v1/videos/{video_id}", json={"title": "c"}, headers=library.editor)
    for device in (ahead, right):
        await device.sync()
        assert (device.record(video_id) or {})["title"] == "c"


async def test_what_is_deleted_stays_deleted_for_a_device_that_was_away(library: Library) -> None:
    device = Device(library, offset_ms=-60 * DAY)
    stale = Device(library)
    video = await library.add(title="a", tags=[tag("k", "v")])
    await stale.sync()
    device.set(video["id"], "title", "sixty days ago")
    await library.delete(video["id"])

    answer = await device.sync()
    await stale.sync()

    assert answer["results"][0]["status"] == "superseded"
    assert device.record(video["id"]) is stale.record(video["id"]) is None
    assert (await library.get(f"/v1/videos/{video['id']}")).status_code == 404


async def test_a_later_change_brings_a_deleted_video_back_whole(library: Library) -> None:
    phone, desk = Device(library), Device(library)
    video = await library.add(title="a", metadata={"n": 1}, tags=[tag("k", "v")])
    await phone.sync()
    await library.delete(video["id"])
    await desk.sync()
    await phone.sync()
    phone.set(video["id"], "title", "b")

    assert (await phone.sync())["results"][0]["status"] == "applied"
    await desk.sync()

    back = (await library.get(f"/v1/videos/{video['id']}")).json()
    assert back == video | {"title": "b", "updated_at": back["updated_at"]}
    assert back["updated_at"] != video["updated_at"]
    assert phone.record(video["id"]) == desk.record(video["id"]) == shown_by_api(back)


async def test_a_video_whose_path_was_taken_does_not_come_back(library: Library) -> None:
    phone = Device(library)
    video = await library.add(file_path="/a")
    await phone.sync()
    await library.delete(video["id"])
    await library.add(file_path="/a")
    phone.set(video["id"], "title", "b")

    answer = await phone.sync()
    assert answer["results"][0]["problem"]["type"] == "/problems/path-taken"

    phone.set(video["id"], "file_path", "/b")
    assert (await phone.sync())["results"][0]["status"] == "applied"
    assert (await library.get(f"/v1/videos/{video['id']}")).json()["file_path"] == "/b"


async def test_a_deletion_loses_against_a_change_that_is_later(library: Library) -> None:
    phone, desk = Device(library), Device(library)
    video = await library.add(title="a")
    await phone.sync()
    await desk.sync()
    phone.delete(video["id"])
    desk.set(video["id"], "title", "b")
    await desk.sync()

    answer = await phone.sync()

    assert answer["results"][0]["status"] == "superseded"
    assert (await library.get(f"/v1/videos/{video['id']}")).json()["title"] == "b"
    assert (phone.record(video["id"]) or {})["title"] == "b"


async def test_an_add_that_a_removal_had_not_seen_stays(library: Library) -> None:
    phone, desk = Device(library), Device(library)
    video = await library.add(tags=[tag("k", "v")])
    await phone.sync()
    await desk.sync()
    phone.untag(video["id"], "k:v")
    desk.tag(video["id"], "K", "V")
    await phone.sync()
    await desk.sync()
    await phone.sync()

    assert (await library.get(f"/v1/videos/{video['id']}")).json()["tags"] == [tag("K", "V")]
    assert (phone.record(video["id"]) or {})["tags"] == [["K", "V"]]
    phone.untag(video["id"], "k:v")
    await phone.sync()
    assert (await library.get(f"/v1/videos/{video['id']}")).json()["tags"] == []


async def test_paths_are_exchanged_in_one_batch(library: Library) -> None:
    phone = Device(library)
    one, two = [phone.create(file_path=path) for path in ("/1", "/2")]
    await phone.sync()
    for video_id, path in ((one, "/3"), (two, "/1"), (one, "/2")):
        phone.set(video_id, "file_path", path)

    answer = await phone.sync()

    assert {result["status"] for result in answer["results"]} == {"applied"}
    paths = [(await library.get(f"/v1/videos/{each}")).json()["file_path"] for each in (one, two)]
    assert paths == ["/2", "/1"]


async def test_a_missing_video_whose_place_is_taken_is_changed_and_keeps_its_path(library: Library) -> None:
    gone, here = await library.add(file_path="/a"), await library.add(file_path="/b")
    displace = (
        "UPDATE videos SET missing_since = now(), file_path = '/a' || E'\\x01' || id WHERE file_path = '/a'"
    )
    await library.execute(displace)
    await library.execute("UPDATE videos SET file_path = '/a' WHERE file_path = '/b'")
    phone = Device(library)
    await phone.sync()
    phone.set(gone["id"], "title", "gone")
    phone.set(here["id"], "title", "here")

    answer = await phone.sync()

    assert [result["status"] for result in answer["results"]] == ["applied"] * 2
    states = [phone.record(video["id"]) or {} for video in (gone, here)]
    assert [(state["file_path"], state["title"]) for state in states] == [("/a", "gone"), ("/a", "here")]
    assert (
        await library.value("SELECT count(*) FROM videos WHERE split_part(file_path, E'\\x01', 1) = '/a'")
        == 2
    )
