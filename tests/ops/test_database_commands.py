"""`quartet db …` on a provisioned server."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import downgrade, known_revisions
from quartet.provision.plan import SERVICES
from tests.ops.command import Workplace, workplace
from tests.ops.provisioned_server import ProvisionedServer


@pytest.fixture(scope="module")
def migrated(provisioned: ProvisionedServer) -> Iterator[Workplace]:
    """A folder whose settings lead to the provisioned server, with every migration applied."""
    plan = provisioned.plan
    told = {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(provisioned.cluster.port),
        "POSTGRES_PASSWORD": provisioned.password,
        "BACKUP_DB_PASSWORD": plan.backup_password,
    }
    for service in plan:
        name = service.service.upper()
        told |= {f"{name}_DB_PASSWORD": service.user_password}
        told |= {f"{name}_DB_OWNER_PASSWORD": service.owner_password}
    with workplace(**told) as place:
        done = place.call("db", "migrate")
        assert (done.returncode, done.stderr) == (0, "")
        yield place


def owner_url(server: ProvisionedServer, service: str) -> DatabaseUrl:
    planned = server.plan[service]
    return DatabaseUrl(
        user=planned.owner,
        password=planned.owner_password,
        hosts=(("127.0.0.1", server.cluster.port),),
        database=planned.database,
    )


@contextmanager
def locked(server: ProvisionedServer, role: str, database: str, table: str) -> Iterator[int]:
    """A table locked as a reader locks it, for the length of a block; gives the session's process."""
    with asyncio.Runner() as runner:
        connection = runner.run(server.open(role, database))
        try:
            runner.run(connection.execute("BEGIN"))
            runner.run(connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE"))
            yield runner.run(connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            runner.run(connection.close())


def test_a_second_migrate_finds_all_up_to_date(migrated: Workplace) -> None:
    done = migrated.call("db", "migrate")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"{name}: up to date" for name in SERVICES])


def test_a_migration_behind_a_backup_ends_after_its_budget_and_names_the_backup(
    migrated: Workplace, provisioned: ProvisionedServer
) -> None:
    downgrade("payment", owner_url(provisioned, "payment"))
    head = known_revisions("payment")[-1]
    with locked(provisioned, "backup_user", "payment_db", "users") as pid:
        done = migrated.call("db", "migrate", "payment", "--lock-budget", "1")
        assert (done.returncode, done.stdout) == (11, "")
        assert re.fullmatch(
            r"quartet: payment: a running backup keeps a table of payment_db locked: process \d+ of backup_user"
            r" \(no application name\), in a transaction for \d+ s; its statement: SELECT pg_backend_pid\(\):"
            r" wait for its end\n",
            done.stderr,
        )
        assert f" {pid} of" in done.stderr
    with locked(provisioned, "payment_user", "payment_db", "users") as pid:
        done = migrated.call("db", "migrate", "payment", "--lock-budget", "0")
        assert done.returncode == 11
        assert f"a table of payment_db stays locked by process {pid} of payment_user (" in done.stderr
        assert done.stderr.endswith(f"or SELECT pg_terminate_backend({pid})\n")
    done = migrated.call("db", "migrate", "payment")
    assert (done.returncode, done.stdout) == (0, f"payment: {head} applied\n")


INSERT_VIDEO = (
    "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES ('/a', 'a', 1, 'video/mp4')"
)


def test_a_rollback_that_would_lose_rows_is_refused_until_told_to(
    migrated: Workplace, provisioned: ProvisionedServer
) -> None:
    known = known_revisions("videovault")
    with asyncio.Runner() as runner:
        runner.run(provisioned.execute("videovault_owner", "videovault_db", INSERT_VIDEO))
    try:
        done = migrated.call("db", "rollback", "videovault", "--to", "base")
        assert (done.returncode, done.stdout) == (17, "")
        assert done.stderr == (
            "quartet: videovault: this would lose table videos of videovault_db: --lose-data does it\n"
        )
        done = migrated.call("db", "rollback", "videovault", "--to", "base", "--lose-data")
        assert (done.returncode, done.stdout) == (
            0,
            f"videovault: {', '.join(reversed(known))} undone\n",
        )
        done = migrated.call("db", "rollback", "videovault")
        assert (done.returncode, done.stderr) == (
            13,
            "quartet: videovault: no migration is applied to videovault_db: there is nothing to undo\n",
        )
    finally:
        assert migrated.call("db", "migrate", "videovault").returncode == 0


def test_a_rollback_to_an_unknown_revision_says_which_there_are(migrated: Workplace) -> None:
    known = known_revisions("payment")
    for to in ("nosuch", known[-1]):
        done = migrated.call("db", "rollback", "payment", "--to", to)
        assert (done.returncode, done.stderr) == (
            13,
            f"quartet: payment: {to} is no revision before {known[-1]}: base, {', '.join(known[:-1])}\n",
        )


def test_a_rollback_without_rows_undoes_the_last_migration(migrated: Workplace) -> None:
    last = known_revisions("payment")[-1]
    done = migrated.call("db", "rollback", "payment")
    assert (done.returncode, done.stdout) == (0, f"payment: {last} undone\n")
    assert migrated.call("db", "migrate", "payment").stdout == f"payment: {last} applied\n"
