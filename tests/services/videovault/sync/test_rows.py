"""Operations on entities whose rows are fields alone."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.videovault.changes.log import read_log
from tests.services.videovault.library import Library
from tests.services.videovault.sync.device import DAY, Device
from tests.tokens import TokenMint
from videovault.changes.merge import read_row
from videovault.models import mine_id

ME = UUID(int=5)


@pytest.fixture
def headers(mint: TokenMint) -> dict[str, str]:
    """The headers of a reader."""
    return mint.headers(user_id=ME)


async def rated(library: Library, device: Device, rating: int = 1) -> str:
    """A video that a device has rated; returns the row's id."""
    video = await library.add()
    row_id = str(mine_id(ME, video["id"]))
    device.put("mine", row_id, "*", {"video_id": video["id"], "rating": rating})
    await device.sync()
    return row_id


async def statuses(device: Device) -> list[str]:
    """Sync; what became of the operations."""
    return [result["status"] for result in (await device.sync())["results"]]


async def test_a_deletion_holds_against_earlier_changes_and_a_later_one_brings_the_row_back_whole(
    library: Library, headers: dict[str, str]
) -> None:
    phone, slow = Device(library, headers=headers), Device(library, headers=headers, offset_ms=-DAY)
    row_id = await rated(library, phone)
    early = slow.put("mine", row_id, "favourite", True)
    phone.put("mine", row_id, "*", None)

    assert await statuses(phone) == ["applied"]
    assert await statuses(slow) == ["superseded"]
    assert read_row(slow.state(row_id), "mine") is None
    assert await library.value(f"SELECT count(*) FROM mine WHERE id = '{row_id}'") == 0  # noqa: S608
    lost = (await read_log(library, row_id))[-1]
    assert (lost["at"], lost["status"], lost["user_id"]) == (early["at"], "superseded", ME)

    phone.put("mine", row_id, "rating", 6)
    assert await statuses(phone) == ["applied"]
    await slow.sync()
    fresh = Device(library, headers=headers)
    await fresh.sync()

    row = read_row(phone.state(row_id), "mine")
    assert row is not None
    assert (row["favourite"], row["rating"]) == (True, 6)
    assert read_row(slow.state(row_id), "mine") == read_row(fresh.state(row_id), "mine") == row
    assert await library.value(f"SELECT favourite FROM mine WHERE id = '{row_id}'") is True  # noqa: S608


async def test_a_later_deletion_of_what_is_deleted_reaches_the_others(
    library: Library, headers: dict[str, str]
) -> None:
    phone, tablet = Device(library, headers=headers), Device(library, headers=headers)
    row_id = await rated(library, phone)
    phone.put("mine", row_id, "*", None)
    tablet.put("mine", row_id, "rating", 2)
    last = tablet.put("mine", row_id, "*", None)

    assert await statuses(phone) == ["applied"]
    assert await statuses(tablet) == ["applied", "applied"]
    await phone.sync()

    assert phone.state(row_id)["deleted"] == last["at"]


async def test_a_row_of_another_user_is_not_there(
    library: Library, headers: dict[str, str], mint: TokenMint
) -> None:
    row_id = await rated(library, Device(library, headers=headers))
    stranger = Device(library, headers=mint.headers())
    stranger.put("mine", row_id, "rating", 0)
    stranger.put("mine", row_id, "*", None)
    own = stranger.put("mine", row_id, "*", {"video_id": str(uuid4()), "rating": 0})

    answer = await stranger.sync()

    types = [result["problem"]["type"] for result in answer["results"]]
    assert types == ["/problems/row-not-found"] * 2 + ["/problems/invalid-request"]
    assert answer["results"][-1]["op_id"] == own["op_id"]
    assert await library.value(f"SELECT rating FROM mine WHERE id = '{row_id}'") == 1  # noqa: S608


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("rating", 11, "#/value"),
        ("rating", "5", "#/value"),
        ("favourite", 1, "#/value"),
        ("user_id", str(ME), "#/field"),
        ("video_id", str(ME), "#/field"),
        ("*", {"rating": 1}, "#/value"),
        ("*", {"video_id": 7}, "#/value/video_id"),
        ("*", {"video_id": str(ME), "clocks": {}}, "#/value"),
        ("*", "x", "#/value"),
    ],
)
async def test_what_is_no_row_is_refused(
    library: Library, headers: dict[str, str], field: str, value: Any, pointer: str
) -> None:
    phone = Device(library, headers=headers)
    row_id = await rated(library, phone)
    phone.put("mine", row_id, field, value)

    (result,) = (await phone.sync())["results"]

    assert (result["status"], result["problem"]["type"]) == ("refused", "/problems/invalid-request")
    assert result["problem"]["errors"][0]["pointer"] == pointer


async def test_a_row_of_no_video_is_refused_and_one_of_a_deleted_video_waits_for_it(
    library: Library, headers: dict[str, str]
) -> None:
    phone = Device(library, headers=headers)
    video = await library.add()
    operation_id = (await library.delete(video["id"])).json()["operation_id"]
    for video_id in (str(uuid4()), video["id"]):
        phone.put("mine", str(mine_id(ME, video_id)), "*", {"video_id": video_id, "rating": 5})

    assert await statuses(phone) == ["refused", "applied"]
    await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)
    mine = await library.client.put(f"/v1/videos/{video['id']}/mine", json={}, headers=headers)
    assert mine.json()["rating"] == 5
