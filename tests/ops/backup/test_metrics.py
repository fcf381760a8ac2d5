"""What `quartet backup run` tells Prometheus of the server and of the backups."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from quartet.backup.activity import read_activity
from quartet.backup.metrics import Metrics
from quartet.backup.server import find_backup_server
from quartet.settings import OperatorSettings
from quartet.settings.operator import Server
from tests.ops.backup.servers import FilledServer
from tests.processes import free_ports


def told_by(filled: FilledServer, port: int, folder: Path) -> CollectorRegistry:
    """The metrics after one look at the server on this port."""
    settings = OperatorSettings(filled.told, folder=folder)
    server = find_backup_server(settings, Server(host="127.0.0.1", port=port))
    metrics = Metrics()
    metrics.activity = asyncio.run(read_activity(server))
    return metrics.registry


def test_the_servers_counters_are_told_for_each_database(filled: FilledServer, tmp_path: Path) -> None:
    registry = told_by(filled, filled.provisioned.cluster.port, tmp_path)
    assert registry.get_sample_value("quartet_postgres_up") == 1
    limit = int(filled.fetch("postgres", "SHOW max_connections")[0])
    assert registry.get_sample_value("quartet_postgres_max_connections") == limit
    for database in ("auth_db", "l2p_db", "payment_db", "videovault_db"):
        size = registry.get_sample_value("quartet_postgres_database_bytes", {"database": database})
        assert size == filled.fetch("postgres", f"SELECT pg_database_size('{database}')")[0]
        committed = {"database": database, "outcome": "committed"}
        assert (registry.get_sample_value("quartet_postgres_transactions_total", committed) or 0) > 0
        assert registry.get_sample_value("quartet_postgres_deadlocks_total", {"database": database}) == 0
    # The connection that looks is one itself.
    assert (registry.get_sample_value("quartet_postgres_connections", {"database": "auth_db"}) or 0) >= 1


def test_a_server_that_does_not_answer_is_told_as_down(filled: FilledServer, tmp_path: Path) -> None:
    registry = told_by(filled, free_ports(1)[0], tmp_path)
    assert registry.get_sample_value("quartet_postgres_up") == 0
    assert registry.get_sample_value("quartet_postgres_max_connections") is None


def test_what_is_not_known_of_the_backups_is_not_told() -> None:
    assert Metrics().registry.get_sample_value("quartet_backup_age_seconds") is None
