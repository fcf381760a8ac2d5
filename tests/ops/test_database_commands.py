"""`quartet db …` on a provisioned server."""

import asyncio
import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbcommon.lock_holder import HOLDER
from dbcommon.migrations import TURN_KEY, downgrade, known_revisions
from quartet.provision.plan import SERVICES
from tests.ops.command import Workplace, wait_until
from tests.ops.provisioned_server import INSERT_VIDEO, ProvisionedServer, owner_url


@contextlib.contextmanager
def locked(
    server: ProvisionedServer, role: str, database: str, table: str, *, mode: str = "ACCESS SHARE"
) -> Iterator[int]:
    """A table locked, as a reader does unless told otherwise, for the length of a block; gives the session's process."""
    with asyncio.Runner() as runner:
        connection = runner.run(server.open(role, database))
        try:
            runner.run(connection.execute("BEGIN"))
            runner.run(connection.execute(f"LOCK TABLE {table} IN {mode} MODE"))
            yield runner.run(connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            runner.run(connection.close())


def test_a_second_migrate_finds_all_up_to_date(migrated: Workplace) -> None:
    done = migrated.call("db", "migrate")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"{name}: up to date" for name in SERVICES])


def test_a_migration_behind_a_backup_ends_after_its_budget_and_names_the_backup(
    migrated: Workplace, provisioned: ProvisionedServer
) -> None:
    downgrade("l2p", owner_url(provisioned, "l2p"))
    head = known_revisions("l2p")[-1]
    with locked(provisioned, "backup_user", "l2p_db", "lobby_connections") as pid:
        done = migrated.call("db", "migrate", "l2p", "--lock-budget", "1")
        assert (done.returncode, done.stdout) == (11, "")
        assert re.fullmatch(
            r"quartet: l2p: a running backup keeps a table of l2p_db locked: process \d+ of backup_user"
            r" \(no application name\), in a transaction for \d+ s; its statement: SELECT pg_backend_pid\(\):"
            r" wait for its end\n",
            done.stderr,
        )
        assert f" {pid} of" in done.stderr
    with locked(provisioned, "l2p_user", "l2p_db", "lobby_connections") as pid:
        done = migrated.call("db", "migrate", "l2p", "--lock-budget", "0")
        assert done.returncode == 11
        assert f"a table of l2p_db stays locked by process {pid} of l2p_user (" in done.stderr
        assert done.stderr.endswith(f"or SELECT pg_terminate_backend({pid})\n")
    done = migrated.call("db", "migrate", "l2p")
    assert (done.returncode, done.stdout) == (0, f"l2p: {head} applied\n")


@pytest.mark.long
def test_a_stopped_migrator_is_named_and_a_killed_one_blocks_nobody(
    migrated: Workplace, provisioned: ProvisionedServer, tmp_path: Path
) -> None:
    head = known_revisions("payment")[-1]
    downgrade("payment", owner_url(provisioned, "payment"))
    command = [sys.executable, "-m", "quartet", "db", "migrate", "payment"]
    with contextlib.ExitStack() as stack:

        def start(name: str) -> "subprocess.Popen[bytes]":
            output = stack.enter_context((tmp_path / name).open("wb"))
            process = subprocess.Popen(
                command, env=migrated.environment, cwd=migrated.folder, stdout=output, stderr=output
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        # Each migration writes the version, whatever else it touches.
        with locked(provisioned, "postgres", "payment_db", "alembic_version", mode="SHARE"):
            stopped = start("stopped")
            wait_until(lambda: turn_holder(provisioned) is not None)
            os.kill(stopped.pid, signal.SIGSTOP)
        pid = turn_holder(provisioned)
        other = start("other")
        wait_until(lambda: f"waiting for process {pid} of payment_owner" in (tmp_path / "other").read_text())
        stopped.kill()
        stopped.wait()
        assert other.wait(timeout=60) == 0
    assert (tmp_path / "other").read_text().endswith(f"payment: {head} applied\n")


def turn_holder(server: ProvisionedServer) -> int | None:
    """The session that migrates Payment's database."""

    async def read() -> int | None:
        async with server.connection("postgres", "payment_db") as connection:
            holder = await connection.fetchrow(HOLDER, TURN_KEY)
            return holder["pid"] if holder else None

    return asyncio.run(read())


def test_a_rollback_that_would_lose_rows_is_refused_until_told_to(
    migrated: Workplace, provisioned: ProvisionedServer
) -> None:
    known = known_revisions("videovault")
    with asyncio.Runner() as runner:
        runner.run(provisioned.execute("videovault_owner", "videovault_db", INSERT_VIDEO))
    try:
        done = migrated.call("db", "rollback", "videovault", "--to", "base")
        assert (done.returncode, done.stdout) == (17, "")
        assert re.fullmatch(
            r"quartet: videovault: this would lose .*column videos\.\w+.* of videovault_db: --lose-data does it\n",
            done.stderr,
        )
        done = migrated.call("db", "rollback", "videovault", "--to", "base", "--lose-data")
        # The last ones, which lost nothing, were undone before.
        undone = done.stdout.removeprefix("videovault: ").removesuffix(" undone\n").split(", ")
        assert (done.returncode, undone) == (0, list(known[::-1][-len(undone) :]))
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
    last = known_revisions("l2p")[-1]
    done = migrated.call("db", "rollback", "l2p")
    assert (done.returncode, done.stdout) == (0, f"l2p: {last} undone\n")
    assert migrated.call("db", "migrate", "l2p").stdout == f"l2p: {last} applied\n"


def test_drift_is_told_a_line_each_and_in_json(migrated: Workplace, provisioned: ProvisionedServer) -> None:
    head = known_revisions("l2p")[-1]
    with asyncio.Runner() as runner:

        def execute(*statements: str) -> None:
            runner.run(provisioned.execute("l2p_owner", "l2p_db", *statements))

        execute("CREATE TABLE leftover ()")
        try:
            done = migrated.call("db", "status", "l2p")
            assert done.returncode == 1
            assert done.stdout.splitlines()[-1] == "l2p: table leftover is in no migration"
            assert migrated.call_json("db", "status", "l2p") == {
                "l2p": {
                    "current": head,
                    "head": head,
                    "pending": [],
                    "drift": ["table leftover is in no migration"],
                }
            }
        finally:
            execute("DROP TABLE leftover")
        execute("UPDATE alembic_version SET version_num = 'later'")
        try:
            done = migrated.call("db", "status", "l2p")
        finally:
            execute(f"UPDATE alembic_version SET version_num = '{head}'")  # noqa: S608  of this repository
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            1,
            "l2p: the database is newer than this version, which does not know the revision later",
        )


def test_four_migrated_databases_have_no_drift(migrated: Workplace) -> None:
    done = migrated.call("db", "status")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1 + len(SERVICES)), done.stdout


@pytest.mark.parametrize("told", [{}, {"QUARTET_ENV": "production"}])
@pytest.mark.long
def test_a_reset_takes_no_answer_from_a_pipe(migrated: Workplace, told: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quartet", "db", "reset", "l2p"],
        input="l2p_db\n" * 100,
        env=migrated.environment | told,
        cwd=migrated.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 17
    assert ("production" if told else "on a terminal") in done.stderr


@pytest.mark.parametrize(
    ("typed", "mode", "code", "rows"),
    [
        ("l2p", "development", 17, 1),
        ("", "development", 17, 1),
        ("l2p_db", "production", 17, 1),
        pytest.param("l2p_db", "development", 0, 0, marks=pytest.mark.long),
    ],
    ids=["wrong", "empty", "production", "right"],
)
def test_a_reset_wants_the_name_of_the_database_typed_and_never_happens_in_production(
    migrated: Workplace, provisioned: ProvisionedServer, typed: str, mode: str, code: int, rows: int
) -> None:
    terminal, other_end = pty.openpty()
    count = "SELECT count(*) FROM users"
    with asyncio.Runner() as runner:
        runner.run(provisioned.execute("l2p_owner", "l2p_db", "INSERT INTO users DEFAULT VALUES"))
        try:
            os.write(terminal, f"{typed}\n".encode())
            done = subprocess.run(
                [sys.executable, "-m", "quartet", "db", "reset", "l2p"],
                stdin=other_end,
                env=migrated.environment | {"QUARTET_ENV": mode},
                cwd=migrated.folder,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            os.close(terminal)
            os.close(other_end)
        assert done.returncode == code, done.stderr

        async def count_users() -> int:
            async with provisioned.connection("l2p_user", "l2p_db") as connection:
                number: int = await connection.fetchval(count)
                return number

        assert min(runner.run(count_users()), 1) == rows
    assert migrated.call("db", "status", "l2p").returncode == 0
