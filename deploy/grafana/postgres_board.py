"""The board of the server and its backups, by what `quartet backup run` tells of them."""

from typing import Any

from deploy.grafana.panels import board, firing, graph, rate, stat, timeline


def postgres_board() -> dict[str, Any]:
    """The server and its backups, by what `quartet backup run` tells of them."""
    share = "sum(quartet_postgres_connections) / sum(quartet_postgres_max_connections)"
    reads = 'sum by (database) (rate(quartet_postgres_blocks_read_total{source="cache"}[$__rate_interval]))'
    every = "sum by (database) (rate(quartet_postgres_blocks_read_total[$__rate_interval]))"
    answers_now = "max(quartet_postgres_up)"
    return board(
        "postgres",
        "PostgreSQL and backups",
        [
            stat(
                "PostgreSQL",
                answers_now,
                "Whether it answers `quartet backup run`.",
                red_below=1,
                words={"0": "DOWN", "1": "up"},
            ),
            stat(
                "Backups run",
                'min(up{job="backup"})',
                "Whether `quartet backup run` answers Prometheus.",
                red_below=1,
                words={"0": "DOWN", "1": "up"},
            ),
            stat(
                "Connections",
                share,
                "Share of max_connections that is taken.",
                unit="percentunit",
                red_from=0.8,
            ),
            stat(
                "Newest backup",
                "max(quartet_backup_age_seconds)",
                "Its age; one is made each day.",
                unit="s",
                red_from=26 * 3600,
            ),
            stat(
                "WAL behind",
                "max(quartet_backup_wal_lag_seconds)",
                "What was committed since could not be restored.",
                unit="s",
                red_from=120,
            ),
            stat(
                "Alerts",
                'count(ALERTS{job="backup", alertstate="firing"}) or vector(0)',
                "Firing now; docs/observability.md says what to do.",
                red_from=1,
            ),
            timeline((answers_now, "PostgreSQL"), ('min(up{job="backup"})', "backups run"), firing("backup")),
            graph(
                "Transactions",
                "Committed, of each database.",
                (
                    rate("quartet_postgres_transactions_total", 'outcome="committed"', by="database"),
                    "{{database}}",
                ),
            ),
            graph(
                "Transactions rolled back",
                "Refused, in conflict, or given up.",
                (
                    rate("quartet_postgres_transactions_total", 'outcome="rolled_back"', by="database"),
                    "{{database}}",
                ),
            ),
            graph(
                "Deadlocks",
                "Since the counters were reset.",
                ("sum by (database) (quartet_postgres_deadlocks_total)", "{{database}}"),
            ),
            graph(
                "Connections",
                "To each database, and how many there may be.",
                ("sum by (database) (quartet_postgres_connections)", "{{database}}"),
                ("sum(quartet_postgres_max_connections)", "maximum"),
            ),
            graph(
                "Requests that wait for a connection",
                "In the pools of the services.",
                ("sum by (job) (db_pool_waiting_requests)", "{{job}}"),
            ),
            graph(
                "Found in the cache",
                "Share of blocks that were read without asking the disk.",
                (f"{reads} / ({every} > 0)", "{{database}}"),
                unit="percentunit",
            ),
            graph(
                "Size",
                "Of each database on disk.",
                ("max by (database) (quartet_postgres_database_bytes)", "{{database}}"),
                unit="bytes",
            ),
            graph(
                "Temporary files",
                "Written by sorts and joins that work_mem has no room for.",
                (
                    "sum by (database) (rate(quartet_postgres_temporary_bytes_total[$__rate_interval]))",
                    "{{database}}",
                ),
                unit="Bps",
            ),
            graph(
                "Age of backups",
                "Of the newest, and of the newest that was restored and compared.",
                ("max(quartet_backup_age_seconds)", "newest"),
                ("max(quartet_backup_verified_age_seconds)", "newest verified"),
                unit="s",
            ),
            graph(
                "WAL that is not archived",
                "It waits on the server, which keeps 4 GB.",
                ("max(quartet_backup_wal_lag_bytes)", "bytes"),
                unit="bytes",
            ),
            graph(
                "Backups at their destination",
                "All that retention keeps.",
                ("max(quartet_backup_stored_bytes)", "bytes"),
                unit="bytes",
            ),
            graph(
                "Memory of the backup program",
                "Without PostgreSQL's own programs.",
                ('process_resident_memory_bytes{job="backup"}', "{{instance}}"),
                unit="bytes",
            ),
        ],
    )
