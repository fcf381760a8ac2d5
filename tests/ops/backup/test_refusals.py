"""What a restore does not do, and what backups need to be told."""

import re
from pathlib import Path

import pyrage
import pytest

from quartet.backup.sealing import unseal
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace

pytestmark = pytest.mark.database


def test_a_database_with_tables_is_not_restored_onto(filled: FilledServer, backed_up: Workplace) -> None:
    before = filled.contents("l2p_db")
    done = backed_up.call("restore", "--service", "l2p")
    assert (done.returncode, done.stderr) == (
        17,
        "quartet: l2p_db holds tables: restore beside it with --into NEW_DB\n",
    )
    assert filled.contents("l2p_db") == before


def test_an_existing_name_is_not_restored_into(filled: FilledServer, backed_up: Workplace) -> None:
    filled.execute("postgres", "CREATE DATABASE taken")
    try:
        done = backed_up.call("restore", "--service", "l2p", "--into", "taken")
        assert (done.returncode, done.stderr) == (
            17,
            "quartet: there is a database taken already: choose another name\n",
        )
        assert filled.contents("taken") == {}
    finally:
        filled.execute("postgres", "DROP DATABASE taken")


def test_a_name_that_needs_quotes_is_wrong_usage(backed_up: Workplace) -> None:
    for name in ("Upper", "a-b", "x; DROP DATABASE l2p_db", "a" * 64):
        assert backed_up.call("restore", "--service", "l2p", "--into", name).returncode == 2


def test_unknown_backup_or_none_at_all_is_not_found(place: Workplace, backed_up: Workplace) -> None:
    for done in (place.call("backup", "list"), place.call("restore", "--service", "l2p")):
        assert done.returncode == 13
        assert "`quartet backup full` makes one" in done.stderr
    done = backed_up.call("restore", "--service", "l2p", "--from", "20200101T000000Z", "--into", "x")
    assert done.returncode == 13
    assert "20200101T000000Z" in done.stderr


def test_another_identity_is_the_wrong_key_and_the_right_one_may_lie_anywhere(
    filled: FilledServer, backed_up: Workplace, tmp_path: Path
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.write_text((backed_up.home / "backup-identity.txt").read_text())
    other.write_text(str(pyrage.x25519.Identity.generate()))
    before = filled.databases()
    wrong = backed_up.call("restore", "--service", "l2p", "--into", "keyed", "--identity", str(other))
    assert wrong.returncode == 15
    assert re.search(r"l2p\.dump\.zst\.age is encrypted to another key: .* --identity$", wrong.stderr.strip())
    assert len(wrong.stderr.splitlines()) == 1
    assert filled.databases() == before
    right = backed_up.call("restore", "--service", "l2p", "--into", "keyed", "--identity", str(own))
    assert right.returncode == 0, right.stderr
    filled.execute("postgres", "DROP DATABASE keyed")


def test_a_recipient_alone_is_enough_for_a_backup(place: Workplace, tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    done = place.call("backup", "full", BACKUP_RECIPIENT=str(identity.to_public()))
    assert done.returncode == 0, done.stderr
    assert not (place.home / "backup-identity.txt").exists()
    without = place.call("restore", "--service", "l2p", "--into", "keyed")
    assert (without.returncode, "--identity" in without.stderr) == (13, True)


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", "AGE-SECRET-KEY-1NOTAKEY\n", "# a comment\n", "\x00\xff"]
)
def test_an_identity_file_without_an_identity_is_a_wrong_setting(
    backed_up: Workplace, tmp_path: Path, content: str
) -> None:
    (tmp_path / "key").write_text(content, encoding="latin-1")
    done = backed_up.call("restore", "--service", "l2p", "--into", "x", "--identity", str(tmp_path / "key"))
    assert done.returncode == 2
    assert "AGE-SECRET-KEY-1" in done.stderr


def test_production_wants_a_destination_and_a_recipient(place: Workplace, tmp_path: Path) -> None:
    told = {"QUARTET_ENV": "production"}
    without = place.call("backup", "full", **told)
    assert (without.returncode, len(without.stderr.splitlines())) == (2, 1)
    assert "BACKUP_DESTINATION is not set" in without.stderr
    assert "s3://bucket/prefix" in without.stderr
    told["BACKUP_DESTINATION"] = str(tmp_path / "kept")
    without = place.call("backup", "full", **told)
    assert (without.returncode, len(without.stderr.splitlines())) == (2, 1)
    assert "BACKUP_RECIPIENT is not set" in without.stderr
    assert "age-keygen" in without.stderr
    assert not (place.home / "backup-identity.txt").exists()
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"BACKUP_RECIPIENT": "ssh-ed25519 AAAA"}, "begins with age1"),
        ({"BACKUP_DESTINATION": "ftp://somewhere/else"}, "a folder or s3://bucket/prefix is needed"),
        ({"BACKUP_DESTINATION": "s3://"}, "the bucket's name is missing"),
    ],
)
def test_a_wrong_recipient_or_destination_is_told(place: Workplace, told: dict[str, str], says: str) -> None:
    done = place.call("backup", "full", **told)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr


def test_a_wrong_password_and_a_server_that_is_away_are_told(place: Workplace) -> None:
    for arguments in (["full"], ["dump", "l2p"]):
        done = place.quartet("backup", *arguments, BACKUP_DB_PASSWORD="wrong" * 5)
        assert done.returncode == 6, done.stderr
        assert "backup_user" in done.stderr.splitlines()[-1]
        done = place.quartet("backup", *arguments, POSTGRES_PORT="1")
        assert done.returncode == 10, done.stderr
        assert "127.0.0.1:1" in done.stderr.splitlines()[-1]


def test_no_password_is_printed_logged_or_backed_up(filled: FilledServer, place: Workplace) -> None:
    printed = []
    for arguments in (
        ["backup", "full"],
        ["backup", "list", "--json"],
        ["restore", "--service", "l2p", "--into", "quiet"],
        ["restore", "--service", "l2p"],
    ):
        done = place.call(*arguments)
        printed += [done.stdout, done.stderr]
    filled.execute("postgres", "DROP DATABASE quiet")
    printed.append(place.quartet("backup", "dump", "l2p", POSTGRES_PORT="1").stderr)
    printed.append(filled.provisioned.cluster.log_file.read_text())
    globals_sql = _unsealed(place, "globals.sql")
    assert "CREATE ROLE l2p_user" in globals_sql
    assert "SCRAM-SHA-256" not in globals_sql
    for text in [*printed, globals_sql]:
        for password in filled.passwords:
            assert password not in text


def _unsealed(place: Workplace, name: str) -> str:
    [path] = (place.home / "backups").rglob(f"{name}.zst.age")
    found = bytearray()

    class Sink:
        def write(self, data: bytes, /) -> None:
            found.extend(data)

    identities = [
        pyrage.x25519.Identity.from_str(line)
        for line in (place.home / "backup-identity.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    unseal([path.read_bytes()], Sink(), identities, name=name)
    return found.decode()
