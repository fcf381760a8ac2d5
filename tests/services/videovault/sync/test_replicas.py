"""Devices against the real service: random changes, time offline, repeats; and a pull beside running writers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.videovault.library import Library, a_video, settings_for
from tests.services.videovault.sync.device import DAY, Device, shown_by_api
from tests.tokens import TokenMint
from videovault.main import create_app

INSERT = text(
    "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES (:path, 'a', 1, 'video/mp4') RETURNING id"
)

Write = Callable[[Library], Awaitable[str]]


def act(device: Device, choice: random.Random, ids: list[str]) -> None:
    """One random change on a device, of a video that it has heard of."""
    known = [video_id for video_id in ids if device.state(video_id)["fields"]]
    if not known or choice.random() < 0.1:
        ids.append(device.create(title="new", metadata={"a": 0}))
        return
    video_id = choice.choice(known)
    number = choice.randrange(1000)
    kind = choice.choice(["title", "metadata", "gone", "tag", "tag", "untag", "delete", "path"])
    if kind == "title":
        device.set(video_id, "title", f"{number}")
    elif kind in {"metadata", "gone"}:
        device.set(video_id, f"metadata/{choice.choice('abc')}", None if kind == "gone" else number)
    elif kind == "tag":
        device.tag(video_id, choice.choice("kK"), choice.choice("xyXY"))
    elif kind == "untag":
        device.untag(video_id, f"k:{choice.choice('xy')}")
    elif kind == "delete":
        device.delete(video_id)
    else:
        device.set(video_id, "file_path", a_video()["file_path"])


async def act_on_the_server(library: Library, choice: random.Random, ids: list[str]) -> None:
    """A change by HTTP, or a deletion that is undone."""
    if not ids:
        return
    path = f"/v1/videos/{choice.choice(ids)}"
    if choice.random() < 0.6:
        body = {"title": f"server {choice.randrange(1000)}", "metadata": {"a": None, "s": 1}}
        await library.client.patch(path, json=body, headers=library.editor)
        return
    deleted = await library.client.delete(path, headers=library.editor)
    if deleted.status_code == 200 and choice.random() < 0.5:
        operation_id = deleted.json()["operation_id"]
        await library.client.post(f"/v1/operations/{operation_id}/undo", headers=library.editor)


async def converge(library: Library, seed: int) -> None:
    """Three devices and the server change things, apart and together; in the end all show the same."""
    choice = random.Random(seed)  # noqa: S311 - reproducible, and nothing secret
    devices = [Device(library, offset_ms=offset) for offset in (0, DAY, -DAY)]
    ids: list[str] = []
    sent: list[list[dict[str, Any]]] = []
    for _ in range(200):
        device = choice.choice(devices)
        act(device, choice, ids)
        if choice.random() < 0.1:
            await act_on_the_server(library, choice, ids)
        if choice.random() < 0.12:
            sent.append(list(device.queue))
            answer = await device.sync()
            assert {result["status"] for result in answer["results"]} <= {"applied", "superseded"}
        if sent and choice.random() < 0.05:
            await choice.choice(devices).push(choice.choice(sent))
    for device in devices * 2:
        await device.sync()
    fresh = Device(library)
    await fresh.sync()
    for video_id in ids:
        views = [device.record(video_id) for device in (*devices, fresh)]
        read = await library.get(f"/v1/videos/{video_id}")
        shown = shown_by_api(read.json()) if read.status_code == 200 else None
        assert views == [shown] * 4, (seed, video_id)


@pytest.mark.parametrize("seed", range(3))
async def test_replicas_and_the_server_end_equal(library: Library, seed: int) -> None:
    await converge(library, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3, 40))
async def test_replicas_and_the_server_end_equal_again_and_again(library: Library, seed: int) -> None:
    await converge(library, seed)


async def pull_until(device: Device, done: asyncio.Event) -> list[str]:
    """Pull without pause, and once more when all is written; the ids in the order of the pulls."""
    ids: list[str] = []
    while True:
        is_last = done.is_set()
        answer = await device.push([], limit=100)
        ids += [change["id"] for change in answer["changes"] if change["field"] == "*"]
        if is_last and not answer["has_more"]:
            return ids


async def pull_beside_writers(
    library: Library, database: DatabaseSettings, mint: TokenMint, write: Write
) -> None:
    """Eight writers at two applications make 200 videos each, while a device pulls without pause at one of them."""
    other = create_app(settings_for(database), issuers=[mint.issuer])
    done = asyncio.Event()
    made: set[str] = set()
    async with running(other) as client:
        second = Library(app=other, client=client, editor=library.editor, reader=library.reader)

        async def write_all(place: Library, number: int) -> None:
            for each in range(200):
                # Some transactions commit after later ones.
                if each % 20 == number:
                    made.update(await write_across(place))
                else:
                    made.add(await write(place))

        puller = asyncio.create_task(pull_until(Device(second), done))
        await asyncio.gather(
            *(write_all(place, number) for number in range(4) for place in (library, second))
        )
        done.set()
        pulled = await puller

    assert len(made) == 1600 + 80
    assert set(pulled) >= made


async def write_by_sql(place: Library) -> str:
    """Record a video by a statement; returns its id."""
    async with place.app.component(Database).transaction() as db:
        video_id: UUID = (await db.execute(INSERT, {"path": a_video()["file_path"]})).scalar_one()
    return str(video_id)


async def write_by_http(place: Library) -> str:
    """Record a video by a call; returns its id."""
    video_id: str = (await place.add())["id"]
    return video_id


async def write_across(place: Library) -> list[str]:
    """Record a video, and commit when another one has been; returns both ids."""
    async with place.app.component(Database).transaction() as db:
        video_id: UUID = (await db.execute(INSERT, {"path": a_video()["file_path"]})).scalar_one()
        return [str(video_id), await write_by_sql(place)]


@pytest.mark.long
async def test_a_pull_beside_eight_writers_gives_all_that_they_write(
    database: DatabaseSettings, library: Library, mint: TokenMint
) -> None:
    await pull_beside_writers(library, database, mint, write_by_sql)


@pytest.mark.long
async def test_a_pull_beside_eight_callers_gives_all_that_they_write(
    database: DatabaseSettings, library: Library, mint: TokenMint
) -> None:
    await pull_beside_writers(library, database, mint, write_by_http)


async def test_a_transaction_that_runs_holds_back_what_began_after_it(library: Library) -> None:
    phone = Device(library)
    await phone.sync()
    async with library.app.component(Database).transaction() as db:
        await db.execute(text("SELECT pg_current_xact_id()"))
        late = await library.add()
        held_back = await phone.push([])
    given = await phone.push([])

    assert held_back["changes"] == []
    assert [change["id"] for change in given["changes"]] == [late["id"]]
