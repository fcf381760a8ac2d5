"""`quartet db …` on a provisioned server."""

import asyncio
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1 + len(SERVICES))


@dataclass(frozen=True)
class Checkout:
    """A copy of VideoVault's source, which the command finds before the real one."""

    place: Workplace
    folder: Path

    @property
    def versions(self) -> list[str]:
        """The files of its migrations."""
        return sorted(file.name for file in (self.folder / "migrations" / "versions").glob("*.py"))

    def add_model(self, text: str) -> None:
        """Append to its models."""
        models = self.folder / "src" / "videovault" / "models" / "__init__.py"
        models.write_text(f"{models.read_text()}\nimport sqlalchemy\n{text}\n")

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `quartet db …`."""
        return self.place.quartet("db", *arguments, PYTHONPATH=str(self.folder / "src"))


@pytest.fixture
def checkout(migrated: Workplace, tmp_path: Path) -> Checkout:
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(VIDEOVAULT, tmp_path / "videovault", ignore=ignored)
    return Checkout(migrated, tmp_path / "videovault")


VIDEOVAULT = Path(__file__).parents[2] / "services" / "videovault"
NICKNAME = 'Model.metadata.tables["videos"].append_column(sqlalchemy.Column("nickname", sqlalchemy.Text))'
MOODS = (
    'sqlalchemy.Table("moods", Model.metadata,'
    ' sqlalchemy.Column("id", sqlalchemy.Integer, sqlalchemy.Identity(), primary_key=True),'
    ' sqlalchemy.Column("mood", sqlalchemy.Enum("good", "bad", name="mood")))'
)


@pytest.mark.long
def test_a_migration_is_written_tried_and_applied(checkout: Checkout, provisioned: ProvisionedServer) -> None:
    before, head = checkout.versions, known_revisions("videovault")[-1]
    checkout.add_model(NICKNAME)
    done = checkout.call("create", "videovault", "Add nicknames")
    assert done.returncode == 0, done.stderr
    file = Path(done.stdout.strip())
    assert checkout.versions == sorted([*before, file.name])
    assert "op.add_column('videos', sa.Column('nickname', sa.Text(), nullable=True))" in file.read_text()
    status = json.loads(checkout.call("status", "videovault", "--json").stdout)["videovault"]
    assert status == {"current": head, "head": "add_nicknames", "pending": ["add_nicknames"], "drift": []}
    taken = checkout.call("create", "videovault", "add-nicknames")
    assert (taken.returncode, taken.stderr) == (
        2,
        "quartet: name=add-nicknames: videovault has a migration add_nicknames already: give another name\n",
    )
    file.unlink()
    try:
        done = checkout.call("dev", "videovault", "add nicknames")
        assert (done.returncode, done.stdout) == (0, "videovault: add_nicknames applied\n"), done.stderr
        assert len(checkout.versions) == len(before) + 1
        assert checkout.call("status", "videovault").returncode == 0
        again = checkout.call("dev", "videovault", "more")
        assert (again.returncode, again.stdout) == (0, "videovault: up to date\n")
        assert len(checkout.versions) == len(before) + 1
    finally:
        checkout.call("rollback", "videovault", "--to", head)
    assert "shadow" not in " ".join(databases(provisioned))


@pytest.mark.long
def test_a_migration_that_cannot_be_repeated_leaves_files_and_database_as_before(
    checkout: Checkout, provisioned: ProvisionedServer
) -> None:
    before = checkout.versions
    checkout.add_model(MOODS)
    done = checkout.call("dev", "videovault", "moods")
    assert (done.returncode, done.stdout, done.stderr) == (
        11,
        "",
        "quartet: videovault: in a shadow database the migrations could not be applied a second time"
        ' (type "mood" already exists): no file was kept\n',
    )
    assert checkout.versions == before
    assert migrated_state(checkout.place) == (known_revisions("videovault")[-1], [], [])
    assert "shadow" not in " ".join(databases(provisioned))


def migrated_state(place: Workplace) -> tuple[str, list[str], list[str]]:
    status = place.call_json("db", "status", "videovault")["videovault"]
    return status["current"], status["pending"], status["drift"]


def databases(server: ProvisionedServer) -> list[str]:
    async def read() -> list[str]:
        async with server.connection("postgres", "postgres") as connection:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]

    return asyncio.run(read())


def test_a_name_of_more_than_32_characters_is_refused(migrated: Workplace) -> None:
    done = migrated.call("db", "create", "l2p", "a" * 33)
    assert (done.returncode, done.stderr) == (
        2,
        f"quartet: name={'a' * 33}: give a name of letters and digits, at most 32 with the underscores between words\n",
    )


def test_an_installed_service_gets_no_new_migration(migrated: Workplace, tmp_path: Path) -> None:
    installed = tmp_path / "src" / "videovault"
    shutil.copytree(VIDEOVAULT / "src" / "videovault", installed)
    shutil.copytree(VIDEOVAULT / "migrations", installed / "migrations")
    done = Checkout(migrated, tmp_path).call("create", "videovault", "more")
    assert (done.returncode, done.stderr) == (
        17,
        "quartet: videovault is installed as a package: migrations are written in a checkout of the repository\n",
    )


@pytest.mark.parametrize("told", [{}, {"QUARTET_ENV": "production"}])
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
    ("typed", "code", "rows"),
    [("l2p", 17, 1), ("", 17, 1), ("l2p_db", 0, 0)],
    ids=["wrong", "empty", "right"],
)
def test_a_reset_wants_the_name_of_the_database_typed(
    migrated: Workplace, provisioned: ProvisionedServer, typed: str, code: int, rows: int
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
                env=migrated.environment,
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


@contextmanager
def answering_health(place: Workplace, service: str, *, statuses: list[str]) -> Iterator[None]:
    """In the service's stead: its health, the next of `statuses` for each request, the last one from then on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(json.dumps({"status": status, "checks": {}}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", place.ports[service]), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_migration_that_leaves_its_service_unhealthy_is_undone(
    migrated: Workplace, provisioned: ProvisionedServer
) -> None:
    downgrade("payment", owner_url(provisioned, "payment"))
    last = known_revisions("payment")[-1]
    arguments = ("db", "migrate", "payment", "--verify")
    done = migrated.call(*arguments)
    assert (done.returncode, done.stdout) == (12, "")
    with answering_health(migrated, "payment", statuses=["pass", "fail"]):
        done = migrated.quartet(*arguments)
        assert (done.returncode, done.stdout) == (11, f"payment: {last} applied\n")
        assert done.stderr == f"quartet: payment is not healthy after the migration (up 0 s): {last} undone\n"
    assert migrated.call_json("db", "status", "payment")["payment"]["pending"] == [last]
    with answering_health(migrated, "payment", statuses=["pass", "fail", "pass"]):
        done = migrated.quartet(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"payment: {last} applied\n", "")


def test_a_migration_that_dropped_rows_is_not_undone_but_names_the_restore(
    checkout: Checkout, provisioned: ProvisionedServer
) -> None:
    (head,) = known_revisions("videovault")[-1:]
    for name, before, up in (
        ("drops", head, 'op.execute("DELETE FROM videos")'),
        ("adds", "drops", 'op.execute("CREATE TABLE more ()")'),
    ):
        down = {"drops": "pass", "adds": 'op.drop_table("more")'}[name]
        (checkout.folder / "migrations" / "versions" / f"{name}.py").write_text(
            f'from alembic import op\nrevision = "{name}"\ndown_revision = "{before}"\n'
            f"def upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
        )
    asyncio.run(provisioned.execute("videovault_owner", "videovault_db", INSERT_VIDEO))
    try:
        with answering_health(checkout.place, "videovault", statuses=["pass", "fail"]):
            done = checkout.call("migrate", "videovault", "--verify")
        assert done.returncode == 11
        assert re.fullmatch(
            r"quartet: videovault is not healthy after the migration \(up 0 s\): adds undone; drops dropped rows of videos:"
            r" `quartet restore --service videovault --at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ --swap` brings it back\n",
            done.stderr,
        )
    finally:
        assert checkout.call("rollback", "videovault", "--to", head).returncode == 0
