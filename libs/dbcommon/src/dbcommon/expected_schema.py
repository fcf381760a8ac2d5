"""The schema that the migrations lead to: they are run in a scratch schema of the same database, in a transaction that is
rolled back. So the owner role suffices, and what is expected is what this server makes of the migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from dbcommon.catalogue import SCRATCH
from dbcommon.concurrent_index import run_in_transaction_where_marked

_DEFAULT_GRANTS = text(
    "SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' END,"
    " a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"
    " FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a"
    " WHERE d.defaclrole = current_user::regrole AND d.defaclnamespace = current_schema()::regnamespace"
    " AND d.defaclobjtype IN ('r', 'S', 'f')"
)


@contextmanager
def expected_schema(
    connection: Connection, script: ScriptDirectory, *, revision: str | None
) -> Iterator[dict[str, Any]]:
    """For the length of the block, the first schema of the path is a scratch one at `revision` (None: without tables).

    Gives alembic's options to work in it. The connection must be in no transaction; afterwards all is as before.
    """
    with connection.begin() as transaction:
        schema = f"{SCRATCH}{connection.execute(text('SELECT pg_backend_pid()')).scalar_one()}"
        grants = connection.execute(_DEFAULT_GRANTS).all()
        path = connection.execute(text("SELECT current_setting('search_path')")).scalar_one()
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        connection.exec_driver_sql(f"SET LOCAL search_path = {schema}, {path}")
        for kind, privilege, grantee in grants:
            connection.exec_driver_sql(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {privilege} ON {kind} TO {grantee}"
            )
        options = {"version_table_schema": schema}
        if revision is not None:
            _migrate(connection, script, revision=revision, options=options)
        try:
            yield options
        finally:
            transaction.rollback()


def _migrate(
    connection: Connection, script: ScriptDirectory, *, revision: str, options: dict[str, Any]
) -> None:
    for each in script.walk_revisions():
        run_in_transaction_where_marked(each.module)
    steps = {"script": script, "fn": lambda current, _context: script._upgrade_revs(revision, current)}  # noqa: SLF001  as alembic's commands do
    migration = MigrationContext.configure(connection, opts=options | steps)
    with Operations.context(migration):
        migration.run_migrations()
