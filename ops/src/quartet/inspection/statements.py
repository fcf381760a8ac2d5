"""The services' statements, as pg_stat_statements counts them. It replaces constants by parameters; utility statements, which
it keeps word for word with the passwords in them, are left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from quartet.errors import NotFound
from quartet.inspection.server import InspectedServer
from quartet.provision.monitoring import SCHEMA

# `calls` is 0 while a statement runs for the first time. One row a user: the runtime role's own statements.
_STATEMENTS = f"""
    SELECT d.datname AS database, s.queryid, min(s.query) AS text, sum(s.calls)::bigint AS calls,
        sum(s.total_exec_time) AS total_ms, sum(s.rows)::bigint AS rows,
        sum(s.shared_blks_hit)::bigint AS cache_hits, sum(s.shared_blks_read)::bigint AS cache_misses
    FROM {SCHEMA}.pg_stat_statements s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
        JOIN pg_catalog.pg_roles r ON r.oid = s.userid
    WHERE (d.datname, r.rolname) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND s.calls > 0
    GROUP BY d.datname, s.queryid ORDER BY total_ms DESC, s.queryid
"""  # noqa: S608  a name of ours

_RESET = f"SELECT stats_reset FROM {SCHEMA}.pg_stat_statements_info"  # noqa: S608  likewise

_IS_INSTALLED = "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements'"

_COMMENTS = re.compile(r"^(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)

_QUERIES = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a statement has cost since the statistics began; times in ms."""

    id: str
    text: str
    calls: int
    total_ms: float
    rows: int
    cache_hits: int
    cache_misses: int

    @property
    def mean_ms(self) -> float:
        """Of one call."""
        return self.total_ms / self.calls

    @property
    def hit_ratio(self) -> float | None:
        """The share of blocks that were in the server's cache; None if it needed none."""
        blocks = self.cache_hits + self.cache_misses
        return self.cache_hits / blocks if blocks else None

    @property
    def keyword(self) -> str:
        """Its first word, in capitals."""
        return (_COMMENTS.sub("", self.text).split(None, 1) or [""])[0].upper()


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The statements of each service, the dearest first, and when counting began."""

    counted_since: datetime
    services: Mapping[str, tuple[Statement, ...]]


async def read_statements(server: InspectedServer) -> Statistics:
    """The statements of the services' runtime roles. Raises NotFound without pg_stat_statements, WrongPassword, ServerFailed."""
    planned = [server.plan[service] for service in server.databases]
    async with server.connect() as connection:
        if not await connection.fetchval(_IS_INSTALLED):
            raise NotFound(
                "pg_stat_statements is not installed: set shared_preload_libraries = 'pg_stat_statements', restart the server,"
                " then `quartet provision`"
            )
        since = await connection.fetchval(_RESET)
        rows = await connection.fetch(
            _STATEMENTS, [each.database for each in planned], [each.user for each in planned]
        )
    found: dict[str, list[Statement]] = {service: [] for service in server.databases}
    for row in rows:
        statement = _as_statement(row)
        if statement.keyword in _QUERIES:
            found[server.service_of(row["database"])].append(statement)
    services = {service: tuple(statements) for service, statements in found.items()}
    return Statistics(counted_since=since, services=services)


def _as_statement(row: asyncpg.Record) -> Statement:
    return Statement(
        id=str(row["queryid"]),
        text=row["text"],
        calls=row["calls"],
        total_ms=row["total_ms"],
        rows=row["rows"],
        cache_hits=row["cache_hits"],
        cache_misses=row["cache_misses"],
    )
