"""Pulls by pages, and checkpoints that are none."""

import asyncpg
import pytest

from dbcommon.settings import DatabaseSettings
from tests.servers import TestServer
from tests.services.videovault.library import Library, tag
from tests.services.videovault.sync.device import Device, shown_by_api
from tests.tokens import TokenMint
from videovault.after_restore import after_restore


async def test_pages_of_a_pull_are_all_changes_in_order(library: Library) -> None:
    videos = [await library.add() for _ in range(7)]
    phone = Device(library)
    pages = [page async for page in phone.pages(limit=3)]

    ids = [change["id"] for page in pages for change in page["changes"]]
    own = {video["id"] for video in videos}
    assert [each for each in ids if each in own] == [video["id"] for video in videos]
    assert [page["has_more"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert (await phone.sync())["changes"] == []


@pytest.mark.parametrize("spoil", ["x", "", "AAAA"])
async def test_a_checkpoint_that_is_none_of_the_callers_is_refused(
    library: Library, mint: TokenMint, spoil: str
) -> None:
    checkpoint = (await Device(library).push([]))["checkpoint"]
    other = mint.headers(roles=("user", "editor"))

    tampered = await library.client.post(
        "/v1/sync", json={"device_id": "a", "checkpoint": spoil + checkpoint[:-4]}, headers=library.editor
    )
    foreign = await library.client.post(
        "/v1/sync", json={"device_id": "a", "checkpoint": checkpoint}, headers=other
    )

    for answer in (tampered, foreign):
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/checkpoint")


async def test_after_a_restore_checkpoints_are_gone_and_a_new_pull_gives_all(
    library: Library, server: TestServer, database: DatabaseSettings
) -> None:
    video = await library.add(title="kept", tags=[tag("k", "v")])
    phone = Device(library)
    await phone.sync()
    owner = server.url("videovault", role="owner", database=database.url.database)
    sql = await asyncpg.connect(**owner.connect_arguments(application_name="tests"))
    try:
        # As of a server that counted further.
        await sql.execute("UPDATE changes SET xid = xid + 1000000000")
        waits = phone.create(title="queued")

        await sql.execute(
            "INSERT INTO playback_sessions VALUES (gen_random_uuid(), now() + interval '1 hour')"
        )

        said, said_of_playback = await after_restore(sql, None)
    finally:
        await sql.close()

    assert said.startswith("the log of changes is a new stream")
    assert said_of_playback.startswith("playback URLs are over")
    assert await library.value("SELECT count(*) FROM playback_sessions") == 0
    gone = await phone.post(phone.queue)
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/checkpoint-expired")
    assert (await library.get(f"/v1/videos/{waits}")).status_code == 404
    phone.checkpoint, phone.pulled = None, {}
    await phone.sync()
    assert phone.record(video["id"]) == shown_by_api(video)
    assert (await library.get(f"/v1/videos/{waits}")).json()["title"] == "queued"


async def test_a_checkpoint_of_a_server_that_counted_further_is_gone(library: Library) -> None:
    phone = Device(library)
    stream = await library.value("SELECT stream FROM library")
    oid = await library.value("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
    caller = await library.app.verifier.verify(library.editor["Authorization"].removeprefix("Bearer "))

    def at(xid: int) -> str:
        return library.app.cursors.encode(f"sync {caller.id}", [stream, oid, xid, 1])

    answers = []
    for checkpoint in (at(1), at(2**40)):
        phone.checkpoint = checkpoint
        answers.append((await phone.post([])).status_code)
    assert answers == [200, 410]
