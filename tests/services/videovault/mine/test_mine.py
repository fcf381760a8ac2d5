"""A user's own favourites and ratings."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library
from tests.services.videovault.sync.device import Device
from tests.tokens import TokenMint
from videovault.changes.merge import read_row
from videovault.models import mine_id


async def put(library: Library, video_id: str, *, headers: Any = None, **mine: Any) -> httpx.Response:
    """Say what a video is to the reader."""
    headers = headers or library.reader
    return await library.client.put(f"/v1/videos/{video_id}/mine", json=mine, headers=headers)


async def test_a_favourite_and_a_rating_are_kept_and_what_is_left_out_stays(library: Library) -> None:
    video = await library.add()

    first = await put(library, video["id"], favourite=True, rating=8)
    second = await put(library, video["id"], rating=None)
    third = await put(library, video["id"])

    assert (first.status_code, first.json()) == (200, {"favourite": True, "rating": 8})
    assert second.json() == third.json() == {"favourite": True, "rating": None}


async def test_it_is_logged_and_pulled_for_its_user_alone(library: Library, mint: TokenMint) -> None:
    video = await library.add()
    me, other = mint.headers(), mint.headers()
    await put(library, video["id"], headers=me, rating=7)
    own, others = Device(library, headers=me), Device(library, headers=other)

    await own.sync()
    await others.sync()
    mine = await library.client.get(f"/v1/videos/{video['id']}/changes", headers=me)
    theirs = await library.client.get(f"/v1/videos/{video['id']}/changes", headers=other)

    (row_id,) = own.pulled.keys() - others.pulled.keys()
    assert read_row(own.state(row_id), "mine") == {"video_id": video["id"], "rating": 7}
    assert [change["entity"] for change in mine.json()["items"]] == ["mine", "video"]
    assert [change["entity"] for change in theirs.json()["items"]] == ["video"]


@pytest.mark.parametrize(
    "body",
    [{"rating": 11}, {"rating": -1}, {"rating": 7.5}, {"rating": True}, {"favourite": 1}, {"stars": 5}],
)
async def test_invalid_values_are_refused(library: Library, body: dict[str, Any]) -> None:
    video = await library.add()

    assert (await put(library, video["id"], **body)).status_code == 422
    assert await library.value(f"SELECT count(*) FROM mine WHERE video_id = '{video['id']}'") == 0  # noqa: S608


async def test_a_video_that_is_not_there_is_404(library: Library) -> None:
    assert (await put(library, str(uuid4()), rating=1)).status_code == 404


async def test_it_comes_back_with_a_deleted_video(library: Library) -> None:
    video = await library.add()
    await put(library, video["id"], favourite=True)
    operation_id = (await library.delete(video["id"])).json()["operation_id"]

    gone = await put(library, video["id"], rating=3)
    await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)
    back = await put(library, video["id"], rating=4)

    assert (gone.status_code, back.json()) == (404, {"favourite": True, "rating": 4})


async def test_fifty_first_calls_at_once_make_one_row(library: Library) -> None:
    video = await library.add()

    answers = await asyncio.gather(
        *(
            put(library, video["id"], **({"rating": n % 11} if n % 2 else {"favourite": True}))
            for n in range(50)
        )
    )

    assert {answer.status_code for answer in answers} == {200}
    rows = await library.value(
        f"SELECT json_agg(json_build_array(favourite, rating IS NOT NULL)) FROM mine WHERE video_id = '{video['id']}'"  # noqa: S608
    )
    assert rows == [[True, True]]


async def test_two_devices_of_a_reader_rate_a_video_apart_and_both_fields_hold(
    library: Library, mint: TokenMint
) -> None:
    me = UUID(int=77)
    headers = mint.headers(user_id=me)
    video = await library.add()
    phone, tablet = Device(library, headers=headers), Device(library, headers=headers)
    row_id = str(mine_id(me, video["id"]))
    phone.put("mine", row_id, "*", {"video_id": video["id"], "rating": 5})
    tablet.put("mine", row_id, "*", {"video_id": video["id"], "favourite": True})
    late = tablet.put("mine", row_id, "rating", 9)

    assert [each["status"] for each in (await tablet.sync())["results"]] == ["applied", "applied"]
    assert [each["status"] for each in (await phone.sync())["results"]] == ["superseded"]
    await tablet.sync()

    row = {"video_id": video["id"], "favourite": True, "rating": 9}
    assert read_row(phone.state(row_id), "mine") == read_row(tablet.state(row_id), "mine") == row
    assert (await put(library, video["id"], headers=headers)).json() == {"favourite": True, "rating": 9}
    log = await read_log(library, row_id)
    assert {str(change["user_id"]) for change in log} == {str(me)}
    assert log[-1]["at"] == late["at"]
