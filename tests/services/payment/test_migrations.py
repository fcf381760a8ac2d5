"""The migrations: applied, undone and applied again, and equal to the models."""

import asyncio

import asyncpg

from dbcommon.dsn import DatabaseUrl
from dbcommon.migration_status import read_status
from dbcommon.migrations import downgrade, known_revisions, upgrade
from payment.models import Model
from tests.conftest import CopyDatabase
from tests.servers import TestServer

TABLES = set(Model.metadata.tables)


async def test_migrations_go_up_down_and_up_again_and_match_the_models(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    copied = await copy_database("payment")
    url = server.url("payment", role="owner", database=copied.url.database)

    async def tables(of: DatabaseUrl) -> set[str]:
        connection = await asyncpg.connect(**of.connect_arguments(application_name="tests"))
        try:
            rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            functions = await connection.fetch("SELECT 1 FROM pg_proc WHERE proname = 'check_order_totals'")
        finally:
            await connection.close()
        return {row["tablename"] for row in rows} - {"alembic_version"} | (
            {"(function)"} if functions else set()
        )

    status = await asyncio.to_thread(read_status, "payment", url, metadata=Model.metadata)
    assert (status.current, status.pending, status.drift) == (known_revisions("payment")[-1], (), ())
    await asyncio.to_thread(downgrade, "payment", url, revision="base")
    assert await tables(url) == set()
    await asyncio.to_thread(upgrade, "payment", url)
    assert await tables(url) == TABLES | {"(function)"}
    status = await asyncio.to_thread(read_status, "payment", url, metadata=Model.metadata)
    assert (status.pending, status.drift) == ((), ())
