"""Backups in an S3 store: as in a folder, and when it is away, breaks off, or is not the one that was meant."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from quartet.backup.destination import open_destination
from quartet.errors import BackupFailed
from quartet.postgres.binaries import find_binaries
from quartet.settings import load_settings
from tests.ops.backup.commands import started
from tests.ops.backup.servers import FilledServer
from tests.ops.backup.stores import Store, failing_at_the_end_of_uploads, running_store
from tests.ops.command import Workplace, wait_until, workplace

pytestmark = [pytest.mark.database, pytest.mark.long]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def place(filled: FilledServer, store: Store) -> Iterator[Workplace]:
    """A folder from where the command reaches server and store; that is empty."""
    store.empty()
    with workplace(**filled.told, **store.told) as made:
        yield made


def test_a_backup_in_a_bucket_is_listed_and_restored(
    filled: FilledServer, store: Store, place: Workplace
) -> None:
    done = place.call("backup", "full")
    assert done.returncode == 0, done.stderr
    [manifest] = place.call_json("backup", "list")
    assert store.objects() == sorted(
        f"of/quartet/{path}"
        for path in [
            *(part["path"] for part in manifest["parts"]),
            f"full/{manifest['id']}/manifest.json",
        ]
    )
    assert store.open_uploads() == []
    done = place.call("restore", "--service", "payment", "--into", "from_store")
    assert done.returncode == 0, done.stderr
    assert filled.contents("from_store") == filled.contents("payment_db")
    filled.execute("postgres", "DROP DATABASE from_store")
    assert "secret of the store" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("told", "exit_code", "says"),
    [
        ({"BACKUP_DESTINATION": "s3://nowhere/of"}, 14, "s3://nowhere/of"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 14, "see that it can be reached"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1"}, 2, "AWS_ENDPOINT_URL=127.0.0.1"),
        ({"AWS_ENDPOINT_URL": "http://"}, 2, "AWS_ENDPOINT_URL=http://"),
    ],
)
def test_a_store_that_is_not_there_is_told(
    place: Workplace, told: dict[str, str], exit_code: int, says: str
) -> None:
    for arguments in (["backup", "full"], ["backup", "list"], ["restore", "--service", "l2p", "--into", "x"]):
        done = place.call(*arguments, **told)
        assert (done.returncode, len(done.stderr.splitlines())) == (exit_code, 1), done.stderr
        assert says in done.stderr
        assert "secret of the store" not in done.stderr


def test_a_bucket_that_went_away_is_told_as_such(place: Workplace) -> None:
    destination = open_destination(
        load_settings(environ=place.told | {"BACKUP_DESTINATION": "s3://nowhere/of"}, check=False)
    )
    with pytest.raises(BackupFailed, match="make the bucket first"):
        destination.put("full/x", [b"content"])


def test_an_upload_whose_program_fails_half_way_leaves_no_object_and_no_upload(
    filled: FilledServer, store: Store, place: Workplace
) -> None:
    # More than a part of an upload, of what cannot be compressed.
    filled.execute(
        "l2p_db",
        "CREATE TABLE noise AS SELECT string_agg(sha256((n * 1000000 + m)::text::bytea), ''::bytea) AS bytes"
        " FROM generate_series(1, 120) n, generate_series(1, 10000) m GROUP BY n",
    )
    real = find_binaries().bindir
    programs = place.folder / "bin"
    programs.mkdir()
    for program in real.iterdir():
        (programs / program.name).symlink_to(program)
    (programs / "pg_dump").unlink()
    (programs / "pg_dump").write_text(
        f'#!/bin/sh\n"{real}/pg_dump" "$@" | head -c 30000000\necho "pg_dump: error: it broke" >&2\nexit 1\n'
    )
    (programs / "pg_dump").chmod(0o755)
    try:
        done = place.call("backup", "full", PG_BINDIR=str(programs))
    finally:
        filled.execute("l2p_db", "DROP TABLE noise")
    assert done.returncode == 14
    assert "pg_dump failed (pg_dump: error: it broke)" in done.stderr
    assert (store.objects(), store.open_uploads()) == ([], [])


def test_a_store_that_is_killed_in_mid_run_fails_the_backup_within_a_minute(
    filled: FilledServer, tmp_path: Path
) -> None:
    with running_store(tmp_path) as store, workplace(**filled.told, **store.told) as place:
        with started(place, "backup", "full") as command:
            with filled.locked("payment", "orders"):
                wait_until(lambda: filled.waiting("LOCK TABLE"))
                assert len(store.objects()) == 2
                store.kill()
            began = time.monotonic()
            assert command.end() == 14, command.output
            assert time.monotonic() - began < 60
        assert command.output.splitlines()[-1].startswith("quartet: s3://backups/of/quartet failed at full/")
        store.start()  # empty: moto keeps nothing
        assert place.call("backup", "list").returncode == 13
        assert place.call("backup", "full").returncode == 0
        assert len(place.call_json("backup", "list")) == 1


def test_an_upload_that_a_store_fails_with_200_is_no_backup(store: Store, place: Workplace) -> None:
    """S3 sends the head of its last answer before it has put the parts together."""
    with failing_at_the_end_of_uploads(store) as url:
        destination = open_destination(
            load_settings(environ=place.told | {"AWS_ENDPOINT_URL": url}, check=False)
        )
        with pytest.raises(BackupFailed, match="full/x"):
            destination.put("full/x", (bytes(1_000_000) for _ in range(40)))
    assert store.objects() == []
    destination = open_destination(load_settings(environ=place.told, check=False))
    destination.put("full/x", (bytes(1_000_000) for _ in range(40)))
    assert sum(map(len, destination.read("full/x"))) == 40_000_000


def test_an_object_may_be_read_for_longer_than_a_store_may_be_silent(store: Store) -> None:
    """A database takes a dump as slowly as its indexes are built."""
    silence = timedelta(seconds=1)
    destination = open_destination(load_settings(environ=store.told, check=False), silence=silence)
    destination.put("full/x", (bytes(1_000_000) for _ in range(40)))
    chunks = destination.read("full/x")
    read = len(next(chunks))
    wait = time.monotonic() + 3 * silence.total_seconds()
    wait_until(lambda: time.monotonic() > wait)
    assert read + sum(map(len, chunks)) == 40_000_000
