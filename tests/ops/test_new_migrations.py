"""Migrations that are written by `quartet db create`, and undone by `quartet db migrate --verify`."""

import asyncio
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dbcommon.migrations import downgrade, known_revisions
from tests.ops.command import Workplace
from tests.ops.provisioned_server import INSERT_VIDEO, ProvisionedServer, owner_url


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


@pytest.mark.long
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


@pytest.mark.long
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
