"""What PostgreSQL itself does not let be backed up: with programs of another version, and large objects."""

import pytest

from quartet.postgres.binaries import find_binaries
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace
from tests.ops.places import SYSTEM_BINDIR

pytestmark = pytest.mark.database


@pytest.mark.skipif(not SYSTEM_BINDIR.is_dir(), reason="the system has no PostgreSQL 15")
def test_programs_of_another_version_are_refused(filled: FilledServer, backed_up: Workplace) -> None:
    major = filled.provisioned.cluster.major
    if find_binaries(SYSTEM_BINDIR).major == major:
        pytest.skip("the tests run on the system's PostgreSQL")
    before = filled.databases()
    for arguments in (
        ["backup", "full"],
        ["backup", "dump", "l2p"],
        ["backup", "dump", "--all"],
        ["restore", "--service", "l2p", "--into", "other_version"],
    ):
        done = backed_up.call(*arguments, PG_BINDIR=str(SYSTEM_BINDIR))
        assert (done.returncode, done.stderr) == (
            4,
            f"quartet: the programs here are of PostgreSQL 15, and {major} is needed:"
            f" set PG_BINDIR to the folder of the programs of {major}\n",
        )
    assert filled.databases() == before
    assert len(backed_up.call_json("backup", "list")) == 1


def test_a_large_object_is_told_with_what_to_do(filled: FilledServer, place: Workplace) -> None:
    [oid] = filled.fetch("videovault_db", "SELECT lo_from_bytea(0, 'picture')")
    try:
        for done in (place.call("backup", "full"), place.call("backup", "dump", "videovault")):
            assert done.returncode == 14
            last = done.stderr.splitlines()[-1]
            assert last.startswith("quartet: videovault_db holds 1 large objects, which cannot be backed up")
            assert "SELECT lo_unlink(oid)" in last
        assert place.call("backup", "list").returncode == 13
    finally:
        filled.fetch("videovault_db", "SELECT lo_unlink($1)", oid)


def test_a_server_without_a_free_slot_is_told(filled: FilledServer, place: Workplace) -> None:
    slots = filled.fetch(
        "postgres",
        "SELECT (pg_create_physical_replication_slot('taken_' || n)).slot_name"
        " FROM generate_series(1, current_setting('max_replication_slots')::int) n",
    )
    try:
        done = place.call("backup", "full")
        assert (done.returncode, "max_replication_slots" in done.stderr) == (14, True), done.stderr
    finally:
        filled.fetch(
            "postgres", "SELECT pg_drop_replication_slot(name)::text FROM unnest($1::name[]) name", slots
        )
