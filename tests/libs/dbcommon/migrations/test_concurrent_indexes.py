"""Migrations that build an index while rows are written."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from dbcommon.concurrent_index import NotOneIndex
from dbcommon.migrations import downgrade, upgrade
from tests.libs.dbcommon.migrations.migrating import (
    Database,
    add_concurrent_revision,
    connect,
    migrate,
    status_of,
    wait_for,
)
from tests.libs.sample_service import SampleService

IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('by_name')"


async def test_an_index_that_could_not_be_built_concurrently_is_built_by_the_next_run(
    sample: SampleService, urls: Database
) -> None:
    owner, _ = urls
    add_concurrent_revision(sample)
    await migrate(sample.name, owner, revision="third")
    connection = await connect(owner)
    await connection.execute("INSERT INTO things (id, name) VALUES (1, 'x'), (2, 'x')")
    with pytest.raises(DBAPIError, match="could not create unique index"):
        await migrate(sample.name, owner)
    assert await connection.fetchval(IS_VALID) is False
    await connection.execute("DELETE FROM things WHERE id = 2")
    await migrate(sample.name, owner)
    assert await connection.fetchval(IS_VALID) is True
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "fourth"
    # Cut off between the index and its revision: the index is there already.
    await connection.execute("UPDATE alembic_version SET version_num = 'third'")
    await migrate(sample.name, owner)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "fourth"
    await asyncio.to_thread(downgrade, sample.name, owner)
    assert await connection.fetchval(IS_VALID) is None
    await connection.close()


async def test_an_index_is_built_concurrently_while_rows_are_written(
    sample: SampleService, urls: Database
) -> None:
    owner, user = urls
    add_concurrent_revision(sample)
    await migrate(sample.name, owner, revision="third")
    writer, other, observer = await connect(user), await connect(user), await connect(owner)
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("INSERT INTO things (id, name) VALUES (1, 'x')")
    migrating = asyncio.create_task(asyncio.to_thread(upgrade, sample.name, owner))
    await wait_for(
        observer, "SELECT count(*) FROM pg_stat_progress_create_index WHERE relid = 'things'::regclass"
    )
    await other.execute("SET lock_timeout = '1s'")
    await other.execute("INSERT INTO things (id, name) VALUES (2, 'y')")
    await transaction.commit()
    assert await migrating == ("fourth",)
    for connection in (writer, other, observer):
        await connection.close()


@pytest.mark.parametrize(
    "up",
    [
        'op.add_column("things", sa.Column("more", sa.Text))',
        'op.create_index("by_name", "things", ["name"])',
        "pass",
    ],
)
async def test_a_revision_marked_concurrently_holds_one_index(
    sample: SampleService, urls: Database, up: str
) -> None:
    owner, _ = urls
    add_concurrent_revision(sample, up=up)
    with pytest.raises(NotOneIndex):
        await migrate(sample.name, owner)
    assert (await status_of(sample, owner))[:2] == ("third", ("fourth",))
