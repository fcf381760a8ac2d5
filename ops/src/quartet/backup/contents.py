"""What is in a database, as one snapshot sees it: each table's rows and a checksum of them."""

import asyncpg

from quartet.backup.manifest import TableContents
from quartet.provision.session import identifier

LOCK_TIMEOUT = "60s"
COMPARABLE = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "search_path": "",
    "statement_timeout": "0",
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": "0",
}
"""A row's text has to be the same for each session that hashes it."""

_TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                        AND d.deptype = 'e')
    ORDER BY 1, 2
"""


async def read_contents(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[TableContents, ...]:
    """The tables of a database, but those of extensions. The session has the settings `COMPARABLE`."""
    return tuple(
        [
            await _read_table(connection, schema=schema, table=table)
            for schema, table in await connection.fetch(_TABLES)
        ]
    )


async def list_tables(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """The quoted names of the tables that `read_contents` reads."""
    return [f"{identifier(schema)}.{identifier(table)}" for schema, table in await connection.fetch(_TABLES)]


async def _read_table(
    connection: "asyncpg.Connection[asyncpg.Record]", *, schema: str, table: str
) -> TableContents:
    found = await connection.fetchrow(
        "SELECT count(*) AS rows, coalesce(sum(pg_catalog.hashtextextended(t::text, 0)::numeric), 0)::text AS checksum"  # noqa: S608  quoted names of the catalogue
        f" FROM ONLY {identifier(schema)}.{identifier(table)} t"
    )
    assert found is not None  # noqa: S101  an aggregate gives a row
    return TableContents(name=f"{schema}.{table}", rows=found["rows"], checksum=found["checksum"])


def explain_difference(expected: tuple[TableContents, ...], found: tuple[TableContents, ...]) -> str | None:
    """The first table that differs, in words; None when all are the same."""
    present = {table.name: table for table in found}
    for table in expected:
        other = present.pop(table.name, None)
        if other is None:
            return f"the table {table.name} is missing"
        if other != table:
            return f"the table {table.name} has {other.rows} rows (checksum {other.checksum}), not {table.rows} ({table.checksum})"
    return f"there is a table {min(present)} more" if present else None
