"""A backup that is not as it was: told, and nothing of it left in the server."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.store import LocalStore

from quartet.backup.destination import Destination
from quartet.backup.manifest import Manifest, write_manifest
from quartet.provision.plan import SERVICES
from tests.ops.backup.servers import FilledServer
from tests.ops.command import Workplace

pytestmark = pytest.mark.database


def _flipped(position: Callable[[int], int]) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        at = position(len(content))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return flip


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first byte": _flipped(lambda _size: 0),
    "byte in the middle": _flipped(lambda size: size // 2),
    "last byte": _flipped(lambda size: size - 1),
    "end missing": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda _content: b"",
    "a byte more": lambda content: content + b"\n",
    "something else": lambda content: os.urandom(len(content)),
}


def _object(place: Workplace, name: str) -> Path:
    [path] = (place.home / "backups" / "full").glob(f"*/{name}")
    return path


def _assert_noticed(
    filled: FilledServer, place: Workplace, service: str, *, names: str, exit_codes: tuple[int, ...] = (15,)
) -> None:
    before = filled.databases()
    done = place.call("restore", "--service", service, "--into", "of_damage")
    assert done.returncode in exit_codes, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("quartet: ")]
    assert (len(lines), names in lines[0]) == (1, True), lines
    assert filled.databases() == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_dump_is_noticed(filled: FilledServer, copy: Workplace, damage: str) -> None:
    path = _object(copy, "l2p.dump.zst.age")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    _assert_noticed(filled, copy, "l2p", names="l2p.dump.zst.age")


@pytest.mark.long
@pytest.mark.parametrize("service", [service for service in SERVICES if service != "l2p"])
def test_a_damaged_dump_of_any_service_is_noticed(
    filled: FilledServer, copy: Workplace, service: str
) -> None:
    path = _object(copy, f"{service}.dump.zst.age")
    content = path.read_bytes()
    for damage in DAMAGE.values():
        path.write_bytes(damage(content))
        _assert_noticed(filled, copy, service, names=path.name)


def test_a_missing_dump_is_noticed(filled: FilledServer, copy: Workplace) -> None:
    _object(copy, "l2p.dump.zst.age").unlink()
    _assert_noticed(filled, copy, "l2p", names="l2p.dump.zst.age", exit_codes=(13,))


def test_a_damaged_manifest_is_noticed(filled: FilledServer, copy: Workplace) -> None:
    path = _object(copy, "manifest.json")
    content = path.read_bytes()
    for damage in DAMAGE.values():
        path.write_bytes(damage(content))
        _assert_noticed(filled, copy, "l2p", names="manifest.json is damaged")
        listed = copy.call("backup", "list")
        assert (listed.returncode, "manifest.json is damaged" in listed.stderr) == (15, True)


def test_without_its_manifest_there_is_no_backup(filled: FilledServer, copy: Workplace) -> None:
    path = _object(copy, "manifest.json")
    path.unlink()
    assert copy.call("backup", "list").returncode == 13
    _assert_noticed(filled, copy, "l2p", names="there is no backup", exit_codes=(13,))
    done = copy.call("restore", "--service", "l2p", "--into", "x", "--from", path.parent.name)
    assert done.returncode == 13


def test_another_dump_in_its_place_is_noticed_before_anything_is_committed(
    filled: FilledServer, copy: Workplace
) -> None:
    # Encrypted to the right key and whole in itself: only the manifest knows.
    shutil.copy(_object(copy, "l2p.dump.zst.age"), _object(copy, "payment.dump.zst.age"))
    _assert_noticed(filled, copy, "payment", names="payment.dump.zst.age is not what its manifest says")
    filled.execute("postgres", "ALTER DATABASE payment_db RENAME TO payment_away")
    filled.execute("postgres", "CREATE DATABASE payment_db TEMPLATE template0")
    try:
        done = copy.call("restore", "--service", "payment")
        assert done.returncode == 15, done.stderr
        assert filled.contents("payment_db") == {}
    finally:
        filled.execute("postgres", "DROP DATABASE payment_db")
        filled.execute("postgres", "ALTER DATABASE payment_away RENAME TO payment_db")
        assert copy.call("provision").returncode == 0  # the settings of payment_user went to the new one


def test_rows_that_differ_from_the_manifest_are_told(filled: FilledServer, copy: Workplace) -> None:
    path = _object(copy, "manifest.json")
    fields = json.loads(path.read_text())
    del fields["sha256"]
    [table] = [table for table in fields["parts"][1]["tables"] if table["name"] == "public.lobbies"]
    table["rows"] += 1
    path.unlink()
    destination = Destination("here", LocalStore(copy.home / "backups"))
    write_manifest(destination, Manifest.model_validate(fields))
    _assert_noticed(filled, copy, "l2p", names="the table public.lobbies has 200 rows")
