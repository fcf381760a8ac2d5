"""The migrations: applied, undone and applied again, and equal to the models."""

import asyncio

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
