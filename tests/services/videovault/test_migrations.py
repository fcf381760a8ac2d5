"""The migrations: applied, undone and applied again, and equal to the models."""

import asyncio
import json

import asyncpg

from dbcommon.migration_status import read_status
from dbcommon.migrations import downgrade, known_revisions, upgrade
from tests.conftest import CopyDatabase
from tests.servers import TestServer
from videovault.models import Model

SERVICE = "videovault"


async def test_every_migration_goes_down_and_up_again_and_leaves_no_drift(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    database = await copy_database(SERVICE)
    owner = server.url(SERVICE, role="owner", database=database.url.database)

    def down_and_up() -> None:
        downgrade(SERVICE, owner, revision="base")
        assert read_status(SERVICE, owner, metadata=Model.metadata).pending == known_revisions(SERVICE)
        upgrade(SERVICE, owner)

    await asyncio.to_thread(down_and_up)

    status = await asyncio.to_thread(read_status, SERVICE, owner, metadata=Model.metadata)
    assert (status.current, status.pending, status.drift) == (status.head, (), ())


async def test_what_was_there_before_the_log_is_logged_as_if_recorded_when_it_was_made(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    database = await copy_database(SERVICE)
    owner = server.url(SERVICE, role="owner", database=database.url.database)
    await asyncio.to_thread(downgrade, SERVICE, owner, revision="first_tables")
    connection = await asyncpg.connect(**database.url.connect_arguments(application_name="tests"))
    try:
        await connection.execute(
            "WITH made AS (INSERT INTO videos (file_path, file_name, file_size, mime_type, created_at)"
            " VALUES ('/a', 'a', 1, 'video/mp4', '2026-11-22 18:30:00.5+00') RETURNING id)"
            " INSERT INTO tags (video_id, tag_category, tag_name, created_at)"
            " SELECT id, 'Place', 'Quay', '2026-11-22 18:31+00' FROM made"
        )
        await asyncio.to_thread(upgrade, SERVICE, owner)

        video, tag = await connection.fetch('SELECT at, field, "new" FROM changes ORDER BY seq')
        last = await connection.fetchval("SELECT last_at FROM videos")
    finally:
        await connection.close()

    made_at, tagged_at = "1795372200500-00000-server", "1795372260000-00000-server"
    assert (video["at"], video["field"], tag["at"], tag["field"]) == (made_at, "*", tagged_at, "place:quay")
    assert json.loads(video["new"])["clocks"] == {"*": made_at}
    assert json.loads(tag["new"]) == {tagged_at: ["Place", "Quay"]}
    assert last == tagged_at
