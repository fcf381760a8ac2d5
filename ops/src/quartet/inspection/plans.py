"""Plans of the services' statements, made as their own runtime role: no code of a database runs as the superuser."""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import asyncpg

from dbcommon.dsn import DatabaseUrl
from quartet.errors import ServerFailed
from quartet.inspection.advice import (
    Advice,
    IndexProposal,
    LargeScan,
    PlanNode,
    Table,
    advise_join,
    advise_scan,
    find_large_scans,
)
from quartet.inspection.server import APPLICATION_NAME, Connection, InspectedServer
from quartet.inspection.statements import Statement

HELPS = 0.8
"""An index that was tried helps when the plan costs less than this share of what it did."""

_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name,
        greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid))::float8 AS rows,
        ARRAY(SELECT attname::text FROM pg_catalog.pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
        ARRAY(SELECT DISTINCT a.attname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
            ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisvalid) AS indexed
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

_PARAMETER = re.compile(r"\$(\d+)")

_HYPOPG = """
    SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'
"""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """A session of a runtime role, and the tables of its database. `hypopg` is the extension's schema, if it is there."""

    connection: Connection
    tables: Mapping[tuple[str, str], Table]
    hypopg: str | None

    async def advise(self, statement: Statement) -> list[Advice]:
        """What the plan of a statement suggests; nothing for one that cannot be planned without its constants' types."""
        plan = await self._explain(statement.text)
        if plan is None:
            return []
        found = [
            await self._advise_scan(statement.text, plan, scan)
            for scan in find_large_scans(plan, self.tables)
        ]
        join = advise_join(plan)
        return [*found, *([join] if join else [])]

    async def _advise_scan(self, text: str, plan: PlanNode, scan: LargeScan) -> Advice:
        if scan.proposal is None or self.hypopg is None:
            return advise_scan(scan, tried=False)
        if await self._try(text, scan.proposal) < HELPS * plan["Total Cost"]:
            return advise_scan(scan, tried=True)
        return advise_scan(replace(scan, proposal=None), tried=True)

    async def _try(self, text: str, proposal: IndexProposal) -> float:
        """The cost of the plan with that index."""
        create = f"SELECT {self.hypopg}.hypopg_create_index($1)"
        try:
            await self.connection.fetch(create, f"CREATE INDEX {proposal.definition}")
            plan = await self._explain(text)
        except asyncpg.PostgresError:
            plan = None
        finally:
            await self.connection.fetch(f"SELECT {self.hypopg}.hypopg_reset()")
        return float(plan["Total Cost"]) if plan else float("inf")

    async def _explain(self, text: str) -> PlanNode | None:
        # By fetch, which sends one statement and refuses several. PostgreSQL 15 has no GENERIC_PLAN.
        try:
            await self.connection.fetch(f"PREPARE quartet_plan AS {text}")
        except asyncpg.PostgresError:
            return None
        try:
            count = max(map(int, _PARAMETER.findall(text)), default=0)
            nulls = f"({', '.join(['NULL'] * count)})" if count else ""
            told = await self.connection.fetchval(
                f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE quartet_plan{nulls}"
            )
        except asyncpg.PostgresError:
            return None
        finally:
            await self.connection.fetch("DEALLOCATE quartet_plan")
        plan: PlanNode = json.loads(told)[0]["Plan"]
        return plan


@contextlib.asynccontextmanager
async def open_planner(server: InspectedServer, url: DatabaseUrl) -> AsyncIterator[Planner]:
    """A planner in the database of `url`, that of a runtime role. Raises WrongPassword or ServerFailed.

    The catalogue is read as the superuser, so that its queries are not counted among the role's statements.
    """
    async with server.connect(url.database) as connection:
        hypopg = await connection.fetchval(_HYPOPG)
        tables = {(row["schema"], row["name"]): _as_table(row) for row in await connection.fetch(_TABLES)}
    arguments = {
        "timeout": 10,
        "statement_cache_size": 0,
        **url.connect_arguments(application_name=APPLICATION_NAME),
    }
    try:
        connection = await asyncpg.connect(**arguments)
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(
            f"no connection to {url.database} as {url.user} ({error}): `quartet doctor logins`"
        ) from error
    try:
        await connection.execute(
            "SET default_transaction_read_only = on; SET plan_cache_mode = force_generic_plan"
        )
        yield Planner(connection=connection, tables=tables, hypopg=hypopg)
    finally:
        await connection.close()


def _as_table(row: asyncpg.Record) -> Table:
    return Table(
        schema=row["schema"],
        name=row["name"],
        rows=row["rows"],
        columns=frozenset(row["columns"]),
        indexed=frozenset(row["indexed"]),
    )
