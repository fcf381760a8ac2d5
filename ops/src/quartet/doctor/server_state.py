"""The server's version, clock, limits, transaction ids, slots and statements."""

import asyncpg

from quartet.doctor.finding import Finding, Subject, failure, warning
from quartet.errors import Failure
from quartet.postgres import find_binaries
from quartet.provision.monitoring import SCHEMA

OLDEST_MAJOR = 15
CLOCK_WARNING_SECONDS = 2.0
CLOCK_FAILURE_SECONDS = 60.0

LAST_TRANSACTIONS = 1_500_000_000
"""PostgreSQL stops writing at about two thousand million ("Preventing Transaction ID Wraparound Failures")."""

IDLE_SLOT_BYTES = 1024**3
SLOW_MS = 500.0
SLOW_CALLS = 5

_AGES = """
    SELECT d.datname AS name, ids.kind, ids.age, ids.expected
    FROM pg_catalog.pg_database d CROSS JOIN LATERAL (VALUES
        ('transaction', pg_catalog.age(d.datfrozenxid), current_setting('autovacuum_freeze_max_age')::bigint),
        ('multixact', pg_catalog.mxid_age(d.datminmxid), current_setting('autovacuum_multixact_freeze_max_age')::bigint)
    ) AS ids (kind, age, expected)
    WHERE d.datallowconn ORDER BY ids.age DESC
"""

_SLOTS = """
    SELECT slot_name AS name, wal_status, active,
        pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::bigint AS kept_bytes
    FROM pg_catalog.pg_replication_slots ORDER BY slot_name
"""

_HAS_STATEMENTS = "SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements'"

_SLOW = f"""
    SELECT r.rolname AS role, count(*) AS statements, max(s.mean_exec_time) AS slowest_ms
    FROM {SCHEMA}.pg_stat_statements s JOIN pg_catalog.pg_roles r ON r.oid = s.userid
    WHERE r.rolname = ANY($1::text[]) AND s.mean_exec_time > $2 AND s.calls >= $3
    GROUP BY r.rolname ORDER BY r.rolname
"""  # noqa: S608  a name of ours


async def check_versions(subject: Subject) -> list[Finding]:
    """The server is 15 or newer, and the programs for backups are of its version."""
    async with subject.server.connect() as connection:
        major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        return [failure(f"the server is PostgreSQL {major}", fix=f"upgrade it: {OLDEST_MAJOR} is the oldest")]
    try:
        programs = find_binaries(subject.settings.named_bindir).major
    except Failure as error:
        return [warning(f"no programs for backups: {error}", fix="install PostgreSQL's client programs")]
    if programs != major:
        return [
            warning(
                f"the programs here are of PostgreSQL {programs}, the server is {major}: backups fail",
                fix=f"set PG_BINDIR to the folder of PostgreSQL {major}'s programs",
            )
        ]
    return []


async def check_clock(subject: Subject) -> list[Finding]:
    """This machine and the server agree on the time."""
    async with subject.server.connect() as connection:
        before = subject.now()
        told = await connection.fetchval("SELECT pg_catalog.clock_timestamp()")
        after = subject.now()
    # The server read its clock between the two.
    apart = max((before - told).total_seconds(), (told - after).total_seconds(), 0.0)
    if apart < CLOCK_WARNING_SECONDS:
        return []
    judge = failure if apart >= CLOCK_FAILURE_SECONDS else warning
    return [
        judge(
            f"the clocks of this machine and of the server are {apart:.0f} s apart: tokens and codes expire too soon or late",
            fix="let both follow a time server (chrony or systemd-timesyncd)",
        )
    ]


async def check_limits(subject: Subject) -> list[Finding]:
    """The server and the roles allow as many connections as the pools may open."""
    plan = subject.server.plan
    async with subject.server.connect() as connection:
        allowed = await connection.fetchval("SELECT current_setting('max_connections')::int")
        rows = await connection.fetch("SELECT rolname, rolconnlimit FROM pg_catalog.pg_roles")
    limits = {row["rolname"]: row["rolconnlimit"] for row in rows}
    findings = [
        warning(
            f"{each.user} may open {limits[each.user]} connections, and its pools want {each.user_connections}",
            fix="`quartet provision` sets the limit by DB_POOL_MAX and QUARTET_REPLICAS",
        )
        for each in plan
        if 0 <= limits.get(each.user, -1) < each.user_connections
    ]
    if allowed < plan.max_connections:
        findings.append(
            warning(
                f"the server takes {allowed} connections, and the roles may open {plan.max_connections}",
                fix=f"set its max_connections to {plan.max_connections}, or lower QUARTET_REPLICAS or DB_POOL_MAX",
            )
        )
    return findings


async def check_wraparound(subject: Subject) -> list[Finding]:
    """Vacuum keeps up with the transaction ids."""
    async with subject.server.connect() as connection:
        rows = await connection.fetch(_AGES)
    fix = (
        "end what keeps old rows alive (`quartet db connections`: long transactions; prepared transactions; slots), then"
        " `VACUUM (FREEZE)` in that database as the superuser"
    )
    return [
        (failure if row["age"] > LAST_TRANSACTIONS else warning)(
            f"{row['name']}: the oldest {row['kind']} id is {row['age']:,} ids old, and vacuum does not get at it",
            fix=fix,
        )
        for row in rows
        if row["age"] > min(1.5 * row["expected"], LAST_TRANSACTIONS)
    ]


async def check_slots(subject: Subject) -> list[Finding]:
    """No replication slot has lost WAL, or is about to."""
    async with subject.server.connect() as connection:
        rows = await connection.fetch(_SLOTS)
    return [finding for row in rows if (finding := _judge_slot(row))]


async def check_statements(subject: Subject) -> list[Finding]:
    """Statements are counted, and none of the services' is slow."""
    roles = [each.user for each in subject.server.plan]
    async with subject.server.connect() as connection:
        if not await connection.fetchval(_HAS_STATEMENTS):
            return [
                warning(
                    "pg_stat_statements is not installed: slow statements go unseen",
                    fix="set shared_preload_libraries = 'pg_stat_statements', restart the server, then `quartet provision`",
                )
            ]
        rows = await connection.fetch(_SLOW, roles, SLOW_MS, SLOW_CALLS)
    return [
        warning(
            f"{row['role']}: {row['statements']} statements take more than {SLOW_MS:.0f} ms on average, the slowest"
            f" {row['slowest_ms']:.0f} ms",
            fix="`quartet db slow` shows them, and what to do: an index, fewer queries, pages",
        )
        for row in rows
    ]


def _judge_slot(slot: asyncpg.Record) -> Finding | None:
    name = slot["name"]
    if slot["wal_status"] == "lost":
        return failure(
            f"the replication slot {name} is lost: WAL that it had not received is gone, and cannot be restored to",
            fix="`quartet backup wal` (or `run`) makes it anew with a new base; drop a slot that nobody uses",
        )
    if slot["wal_status"] == "unreserved":
        return warning(
            f"the replication slot {name} is about to be lost: more WAL than max_slot_wal_keep_size waits for it",
            fix="start its receiver now: `quartet backup wal` or `run`",
        )
    if not slot["active"] and (slot["kept_bytes"] or 0) > IDLE_SLOT_BYTES:
        return warning(
            f"nobody receives from the replication slot {name}, which keeps {slot['kept_bytes'] / 1024**3:.1f} GiB of WAL",
            fix="start its receiver (`quartet backup wal` or `run`), or drop the slot",
        )
    return None
