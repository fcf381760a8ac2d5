"""Operations that are refused, one by one, and bodies that are none."""

import time
from typing import Any
from uuid import uuid4

import pytest

from tests.services.videovault.library import Library, tag
from tests.services.videovault.sync.device import DAY, Device, at_ms


async def test_a_time_over_36_hours_ahead_is_refused_and_listed_and_blocks_nothing(library: Library) -> None:
    phone = Device(library)
    video_id = phone.create(title="zero")
    bad = phone.set(video_id, "title", "future")
    bad["at"] = at_ms(int(time.time() * 1000) + 3 * DAY, phone.name)
    phone.set(video_id, "description", "present")

    answer = await phone.sync()

    statuses = [result["status"] for result in answer["results"]]
    assert statuses == ["applied", "refused", "applied"]
    assert answer["results"][1]["problem"]["type"] == "/problems/clock"
    [listed] = (await phone.refused())["items"]
    assert (listed["op"]["value"], listed["problem"]["type"]) == ("future", "/problems/clock")
    assert (listed["op_id"], listed["device_id"]) == (bad["op_id"], phone.name)
    path = f"/v1/sync/refused/{bad['op_id']}"
    removed = [await library.client.delete(path, headers=phone.headers) for _ in range(2)]
    assert [each.status_code for each in removed] == [204, 404]
    assert (await phone.refused())["items"] == []
    assert (await phone.push([bad]))["results"][0]["status"] == "refused"
    assert (await phone.refused())["items"] == []


@pytest.mark.parametrize(
    ("changed", "slug"),
    [
        ({"entity": "folder"}, "unknown-entity"),
        ({"entity": ["video"]}, "unknown-entity"),
        ({"id": "x"}, "invalid-request"),
        ({"id": str(uuid4())}, "video-not-found"),
        ({"field": "clocks"}, "invalid-request"),
        ({"field": "missing_since"}, "invalid-request"),
        ({"field": 7}, "invalid-request"),
        ({"value": 7}, "invalid-request"),
        ({"value": "nul\x00"}, "invalid-request"),
        ({"field": "metadata/a", "value": {"x": "\x00"}}, "invalid-request"),
        ({"field": "*", "value": {"file_path": "/x"}}, "invalid-request"),
        ({"field": "file_path", "value": "/taken"}, "path-taken"),
        ({"field": "file_path", "value": "/" + "x" * 2600}, "path-too-long"),
        ({"at": "1-2"}, "invalid-request"),
        ({"at": at_ms(1, "server")}, "invalid-request"),
        ({"entity": "tag", "field": "k:v", "value": ["k", "v"]}, "invalid-request"),
        (
            {"entity": "tag", "field": "k:v", "value": {"adds": {at_ms(5, "phone"): ["k", "v"]}}},
            "invalid-request",
        ),
        ({"entity": "tag", "field": "k:v", "value": {"removes": [7]}}, "invalid-request"),
        ({"entity": "tag", "field": "k:v", "value": {"removes": ["nul\x00"]}}, "invalid-request"),
        ({"value": float("nan")}, "invalid-request"),
        ({"value": "\ud800"}, "invalid-request"),
    ],
)
async def test_a_bad_operation_is_refused_by_itself(
    library: Library, changed: dict[str, Any], slug: str
) -> None:
    await library.add(file_path="/taken")
    phone = Device(library)
    video_id = phone.create(title="zero")
    bad = phone.set(video_id, "title", "bad")
    good = phone.set(video_id, "description", "good")

    answer = await phone.push([*phone.queue[:1], bad | changed, good])

    assert [result["status"] for result in answer["results"]] == ["applied", "refused", "applied"]
    assert answer["results"][1]["problem"]["type"] == f"/problems/{slug}"
    video = (await library.get(f"/v1/videos/{video_id}")).json()
    assert (video["title"], video["description"]) == ("zero", "good")
    assert [item["op_id"] for item in (await phone.refused())["items"]][-1] == bad["op_id"]


async def test_a_video_gets_no_more_tags_by_sync_than_by_other_ways(library: Library) -> None:
    video = await library.add(tags=[tag("k", str(n)) for n in range(99)])
    phone = Device(library)
    await phone.sync()
    for name in ("0", "99", "100"):
        phone.tag(video["id"], "k", name)

    answer = await phone.sync()

    assert [result["status"] for result in answer["results"]] == ["applied", "applied", "refused"]
    assert answer["results"][2]["problem"]["detail"] == "A video has at most 100 tags."
    phone.untag(video["id"], "k:0")
    phone.tag(video["id"], "k", "100")
    await phone.sync()
    stored = (await library.get(f"/v1/videos/{video['id']}")).json()["tags"]
    assert {each["tag_name"] for each in stored} == {str(n) for n in range(1, 101)}


async def test_a_readers_operations_on_the_library_are_refused_one_by_one(library: Library) -> None:
    video = await library.add(title="a")
    reader = Device(library, headers=library.reader)
    await reader.sync()
    reader.set(video["id"], "title", "b")
    reader.tag(video["id"], "k", "v")

    answer = await reader.sync()

    assert [result["problem"]["type"] for result in answer["results"]] == ["/problems/forbidden"] * 2
    assert len((await reader.refused())["items"]) == 2
    assert (await library.get(f"/v1/videos/{video['id']}")).json() == video


async def test_a_body_that_is_no_sync_is_refused(library: Library) -> None:
    for body in (
        {"device_id": "a b"},
        {"device_id": "a", "limit": 0},
        {"device_id": "a", "limit": 1001},
        {"device_id": "a", "ops": [{"entity": "video"}]},
        {"device_id": "a", "ops": [{"op_id": str(uuid4())}] * 1001},
    ):
        answer = await library.client.post("/v1/sync", json=body, headers=library.editor)
        assert answer.status_code == 422, body
    assert (await library.client.post("/v1/sync", json={"device_id": "a"})).status_code == 401
