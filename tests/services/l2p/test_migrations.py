"""The migrations: applied, undone and applied again, and equal to the models."""

from dbcommon.migration_status import read_status
from dbcommon.migrations import downgrade, known_revisions, upgrade
from l2p.models import Model
from tests.servers import TestServer, run_blocking
from tests.services.l2p.conftest import NewDatabase


def test_migrations_can_be_undone_and_applied_again_without_drift(
    bare_server: TestServer, new_database: NewDatabase
) -> None:
    copied = run_blocking(lambda: _copy(new_database))
    owner = bare_server.url("l2p", role="owner", database=copied)
    assert read_status("l2p", owner, metadata=Model.metadata).drift == ()
    downgrade("l2p", owner, revision="base")
    emptied = read_status("l2p", owner, metadata=Model.metadata)
    assert (emptied.current, emptied.pending) == (None, known_revisions("l2p"))
    assert run_blocking(lambda: _count_tables(bare_server, copied)) == 1  # alembic's own
    upgrade("l2p", owner)
    again = read_status("l2p", owner, metadata=Model.metadata)
    assert (again.current, again.pending, again.drift) == (again.head, (), ())


async def _copy(new_database: NewDatabase) -> str:
    return (await new_database()).url.database


async def _count_tables(server: TestServer, database: str) -> int:
    connection = await server.connect(database)
    try:
        number: int = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        return number
    finally:
        await connection.close()
