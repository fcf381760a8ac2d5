"""How large databases, tables and indexes are, and which indexes are unused, duplicates of another, or invalid."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from quartet.inspection.server import Connection, InspectedServer

IndexFault = Literal["unused", "duplicate", "invalid"]

_DATABASES = """
    SELECT d.datname AS name, pg_catalog.pg_database_size(d.oid) AS bytes
    FROM pg_catalog.pg_database d WHERE d.datallowconn AND NOT d.datistemplate ORDER BY bytes DESC, name
"""

_TABLES = """
    SELECT s.schemaname AS schema, s.relname AS name, pg_catalog.pg_total_relation_size(s.relid) AS total_bytes,
        pg_catalog.pg_table_size(s.relid) AS table_bytes, pg_catalog.pg_indexes_size(s.relid) AS index_bytes,
        s.n_live_tup AS rows, s.n_dead_tup AS dead_rows, s.last_autovacuum
    FROM pg_catalog.pg_stat_user_tables s ORDER BY total_bytes DESC, schema, name
"""

# Equal in all that decides what an index can be used for. Of two equal ones the one that a constraint, uniqueness or else
# the alphabet puts first stays. One that is being built is not valid yet: that is no fault.
_INDEXES = """
    WITH indexes AS (
        SELECT i.indexrelid, i.indrelid, n.nspname, t.relname AS table_name, c.relname AS name, i.indisunique,
            i.indisvalid, pg_catalog.pg_relation_size(i.indexrelid) AS bytes,
            COALESCE(s.idx_scan, 0) AS scans,
            EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid) AS is_constraint,
            row(i.indrelid, c.relam, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
                pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid),
                i.indnkeyatts)::text AS shape,
            EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid
            ) AS is_being_built
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
            JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast|^pg_temp'
    ), compared AS (
        SELECT *, first_value(name) OVER (
            PARTITION BY nspname, shape ORDER BY indisvalid DESC, is_constraint DESC, indisunique DESC, name
        ) AS first_name FROM indexes
    )
    SELECT nspname AS schema, table_name AS table, name, bytes, scans, indisunique AS is_unique,
        NULLIF(first_name, name) AS same_as,
        CASE WHEN NOT indisvalid AND NOT is_being_built THEN 'invalid'
            WHEN first_name <> name AND NOT is_constraint THEN 'duplicate'
            WHEN scans = 0 AND NOT indisunique AND NOT is_constraint THEN 'unused'
        END AS fault
    FROM compared ORDER BY bytes DESC, schema, name
"""

_SINCE = """
    SELECT COALESCE(d.stats_reset, pg_catalog.pg_postmaster_start_time()) FROM pg_catalog.pg_stat_database d
    WHERE d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True, kw_only=True)
class DatabaseSize:
    """A database on disk."""

    name: str
    service: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """A table with its indexes. Rows are the statistics' estimates."""

    schema: str
    name: str
    total_bytes: int
    table_bytes: int
    index_bytes: int
    rows: int
    dead_rows: int
    last_autovacuum: str | None


@dataclass(frozen=True, kw_only=True)
class IndexSize:
    """An index, how often it was scanned, and what is wrong with it; `same_as` is the index that a duplicate equals."""

    schema: str
    table: str
    name: str
    bytes: int
    scans: int
    is_unique: bool
    fault: IndexFault | None
    same_as: str | None


@dataclass(frozen=True, kw_only=True)
class ServiceSizes:
    """The tables and indexes of a service's database. Scans are counted since `counted_since` or before."""

    counted_since: str
    tables: tuple[TableSize, ...]
    indexes: tuple[IndexSize, ...]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """All databases of the server, and what is in those of the chosen services."""

    databases: tuple[DatabaseSize, ...]
    services: dict[str, ServiceSizes]

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return asdict(self)


async def read_sizes(server: InspectedServer, services: list[str]) -> Sizes:
    """The sizes of every database, and of all that is in those of `services`. Raises WrongPassword or ServerFailed."""
    async with server.connect() as connection:
        databases = tuple(
            DatabaseSize(service=server.service_of(row["name"]), **dict(row))
            for row in await connection.fetch(_DATABASES)
        )
    found = await asyncio.gather(*(_read_service(server, service) for service in services))
    return Sizes(databases=databases, services=dict(zip(services, found, strict=True)))


async def read_indexes(connection: Connection) -> tuple[IndexSize, ...]:
    """The indexes of the connection's database."""
    return tuple(IndexSize(**dict(row)) for row in await connection.fetch(_INDEXES))


async def _read_service(server: InspectedServer, service: str) -> ServiceSizes:
    async with server.connect(server.databases[service]) as connection:
        since = await connection.fetchval(_SINCE)
        tables = tuple(
            TableSize(**{**dict(row), "last_autovacuum": _spell_time(row["last_autovacuum"])})
            for row in await connection.fetch(_TABLES)
        )
        return ServiceSizes(
            counted_since=since.isoformat(), tables=tables, indexes=await read_indexes(connection)
        )


def _spell_time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
