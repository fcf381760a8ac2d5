"""What the server does, by those of its counters that every role may read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from quartet.backup.server import BackupServer
from quartet.errors import Failure

_LIMIT = "SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'max_connections'"
_CONNECTIONS = """
SELECT datname AS database, count(*) AS number FROM pg_catalog.pg_stat_activity WHERE datname IS NOT NULL GROUP BY 1
"""
_DATABASES = """
SELECT datname AS database, pg_catalog.pg_database_size(datid) AS bytes, xact_commit AS committed,
       xact_rollback AS rolled_back, deadlocks, blks_hit AS from_cache, blks_read AS from_disk, temp_bytes
  FROM pg_catalog.pg_stat_database WHERE datname = ANY($1)
"""


@dataclass(frozen=True, kw_only=True)
class ServerActivity:
    """Connections to each database and how many there may be; counters of each database since they were reset."""

    max_connections: int
    connections: Sequence["asyncpg.Record"]
    databases: Sequence["asyncpg.Record"]


async def read_activity(server: BackupServer) -> ServerActivity | None:
    """The counters now; None when the server does not answer."""
    try:
        async with server.connect_anywhere() as connection:
            return ServerActivity(
                max_connections=await connection.fetchval(_LIMIT),
                connections=await connection.fetch(_CONNECTIONS),
                databases=await connection.fetch(_DATABASES, list(server.databases.values())),
            )
    except (Failure, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return None


def describe_activity(activity: ServerActivity) -> Iterator[Metric]:
    """The counters as Prometheus reads them."""
    yield GaugeMetricFamily(
        "quartet_postgres_max_connections", "Connections that there may be.", value=activity.max_connections
    )
    connections = GaugeMetricFamily(
        "quartet_postgres_connections", "Connections to a database.", labels=["database"]
    )
    for row in activity.connections:
        connections.add_metric([row["database"]], row["number"])
    size = GaugeMetricFamily("quartet_postgres_database_bytes", "A database on disk.", labels=["database"])
    transactions = CounterMetricFamily(
        "quartet_postgres_transactions", "Transactions that ended.", labels=["database", "outcome"]
    )
    deadlocks = CounterMetricFamily(
        "quartet_postgres_deadlocks", "Deadlocks, each of which ended a transaction.", labels=["database"]
    )
    blocks = CounterMetricFamily(
        "quartet_postgres_blocks_read",
        "Blocks of 8 kB read, from the server's own cache or from beyond it.",
        labels=["database", "source"],
    )
    spilled = CounterMetricFamily(
        "quartet_postgres_temporary_bytes",
        "Written to temporary files by sorts and joins that work_mem has no room for.",
        labels=["database"],
    )
    for row in activity.databases:
        size.add_metric([row["database"]], row["bytes"])
        for outcome in ("committed", "rolled_back"):
            transactions.add_metric([row["database"], outcome], row[outcome])
        deadlocks.add_metric([row["database"]], row["deadlocks"])
        blocks.add_metric([row["database"], "cache"], row["from_cache"])
        blocks.add_metric([row["database"], "disk"], row["from_disk"])
        spilled.add_metric([row["database"]], row["temp_bytes"])
    yield from (connections, size, transactions, deadlocks, blocks, spilled)
