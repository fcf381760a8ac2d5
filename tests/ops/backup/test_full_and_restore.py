"""A full backup, the list of backups, and a database restored from one."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from quartet.provision.plan import SERVICES
from tests.ops.backup.servers import ADDED_UP, SECRET_TEXT, FilledServer
from tests.ops.command import Workplace, workplace

pytestmark = pytest.mark.database


@dataclass(frozen=True)
class TwoBackups:
    """The second was made after the rows of VideoVault, `before`, were deleted."""

    place: Workplace
    first: "subprocess.CompletedProcess[str]"
    second: "subprocess.CompletedProcess[str]"
    identity: str
    before: dict[str, list[str]]


@pytest.fixture(scope="module")
def restored(filled: FilledServer, backed_up: Workplace) -> Iterator[dict[str, str]]:
    """Each service's database, restored into a new one, by service."""
    made = {service: f"{service}_restored" for service in SERVICES}
    for service, database in made.items():
        done = backed_up.call("restore", "--service", service, "--into", database)
        assert (done.returncode, done.stdout) == (0, f"{service}: restored into {database}\n"), done.stderr
    yield made
    filled.execute("postgres", *(f"DROP DATABASE {database}" for database in made.values()))


def test_a_backup_is_listed_with_its_parts(filled: FilledServer, backed_up: Workplace) -> None:
    [manifest] = backed_up.call_json("backup", "list")
    assert re.fullmatch(r"\d{8}T\d{6}Z", manifest["id"])
    assert [(part["kind"], part["database"]) for part in manifest["parts"]] == [
        *(("dump", f"{service}_db") for service in SERVICES),
        ("globals", None),
        ("base", None),
    ]
    [identifier] = filled.fetch("postgres", "SELECT system_identifier::text FROM pg_control_system()")
    assert (manifest["system_identifier"], manifest["server_major"]) == (
        identifier,
        filled.provisioned.cluster.major,
    )
    listed = backed_up.call("backup", "list").stdout.splitlines()
    assert listed[0].split() == ["ID", "AGE", "SIZE", "POSTGRESQL", "DATABASES"]
    assert listed[1].split()[0] == manifest["id"]
    assert listed[1].rstrip().endswith("auth_db, l2p_db, payment_db, videovault_db")


def test_the_manifest_has_the_rows_of_every_table(filled: FilledServer, backed_up: Workplace) -> None:
    [manifest] = backed_up.call_json("backup", "list")
    for part in manifest["parts"][: len(SERVICES)]:
        rows = {f"public.{table}": len(found) for table, found in filled.contents(part["database"]).items()}
        listed = {table["name"]: table["rows"] for table in part["tables"]}
        assert {
            name: count for name, count in listed.items() if name[len("public.") :] not in ADDED_UP
        } == rows


@pytest.mark.parametrize("service", SERVICES)
def test_a_restored_database_has_the_same_rows_and_rights(
    filled: FilledServer, restored: dict[str, str], service: str
) -> None:
    original, database = f"{service}_db", restored[service]
    found, expected = filled.contents(database), filled.contents(original)
    if service == "auth":  # which ends the sessions of a restored database
        sessions = len(expected.pop("sessions"))
        assert (len(found.pop("sessions")), len(found.pop("revocations"))) == (sessions, sessions)
        assert expected.pop("revocations") == []
    assert found == expected
    assert filled.owners(database) == filled.owners(original)
    changeable = filled.changeable(service, database)
    assert changeable == filled.changeable(service, original)
    assert not changeable["alembic_version"]
    assert any(changeable.values())
    [owner] = filled.fetch(
        "postgres", "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", database
    )
    assert owner == f"{service}_owner"


def test_a_restored_database_has_statistics(filled: FilledServer, restored: dict[str, str]) -> None:
    [rows] = filled.fetch(restored["l2p"], "SELECT reltuples FROM pg_class WHERE relname = 'lobbies'")
    [columns] = filled.fetch(
        restored["l2p"], "SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND tablename = 'lobbies'"
    )
    assert (rows, columns > 0) == (200, True)


def test_a_database_restored_in_the_place_of_a_lost_one_is_as_planned(
    filled: FilledServer, backed_up: Workplace
) -> None:
    before = filled.contents("payment_db")
    filled.execute("postgres", "DROP DATABASE payment_db")
    done = backed_up.call("restore", "--service", "payment")
    assert done.returncode == 0, done.stderr
    assert filled.contents("payment_db") == before
    assert filled.contents("payment_db", role="payment_user").keys() == before.keys() - {"alembic_version"}
    assert backed_up.call("provision").stdout == "roles, databases and schema are as planned\n"
    assert backed_up.call("db", "status", "payment").returncode == 0


@pytest.fixture(scope="module")
def two_backups(filled: FilledServer) -> Iterator[TwoBackups]:
    """A place with two backups: one of before VideoVault's rows were deleted, and one of after."""
    before = filled.contents("videovault_db")
    with workplace(**filled.told) as place:
        first = place.call("backup", "full", "--json")
        identity = (place.home / "backup-identity.txt").read_text()
        filled.execute("videovault_db", "DELETE FROM videos")
        second = place.call("backup", "full")
        yield TwoBackups(place, first, second, identity, before)
        filled.execute("postgres", "DROP DATABASE videovault_db")
        assert place.call("restore", "--service", "videovault", "--from", _id_of(first)).returncode == 0


def _id_of(done: subprocess.CompletedProcess[str]) -> str:
    found: str = json.loads(done.stdout)["id"] if done.stdout.startswith("{") else done.stdout.split(":")[0]
    return found


def test_progress_goes_to_stderr_and_the_manifest_to_stdout(two_backups: TwoBackups) -> None:
    first = two_backups.first
    assert json.loads(first.stdout) == two_backups.place.call_json("backup", "list")[1]
    assert [line.split(":")[0] for line in first.stderr.splitlines()] == [
        *(f"{service}.dump" for service in SERVICES),
        "globals.sql",
        "base.tar",
    ]


def test_the_identity_of_development_is_private_and_made_once(two_backups: TwoBackups) -> None:
    path = two_backups.place.home / "backup-identity.txt"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == two_backups.identity


def test_the_newest_backup_is_restored_or_an_older_one_by_its_id(
    filled: FilledServer, two_backups: TwoBackups
) -> None:
    place, older, newer = two_backups.place, _id_of(two_backups.first), _id_of(two_backups.second)
    assert [manifest["id"] for manifest in place.call_json("backup", "list")] == [newer, older]
    for origin, expected in (
        (["--from", older], two_backups.before),
        ([], filled.contents("videovault_db")),
    ):
        done = place.call("restore", "--service", "videovault", "--into", "older", *origin)
        assert done.returncode == 0, done.stderr
        assert filled.contents("older") == expected
        filled.execute("postgres", "DROP DATABASE older")


def test_no_object_holds_the_text_of_a_row(backed_up: Workplace) -> None:
    # It stands in every database; as plain SQL it can be read.
    assert SECRET_TEXT in backed_up.quartet("backup", "dump", "payment").stdout
    objects = [path for path in (backed_up.home / "backups").rglob("*") if path.is_file()]
    assert len(objects) == len(SERVICES) + 3
    for path in objects:
        assert SECRET_TEXT.encode() not in path.read_bytes()
        assert b"player7@example.com" not in path.read_bytes()
