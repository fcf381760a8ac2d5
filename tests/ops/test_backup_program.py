"""`BACKUP=1 quartet up`: the databases are backed up beside the services."""

import json

import httpx
import pytest

from tests.ops.command import Workplace, wait_until, workplace
from tests.processes import free_ports

pytestmark = pytest.mark.long


def has_a_verified_backup(place: Workplace) -> bool:
    found = place.quartet("backup", "status", "--json")
    return found.stdout != "" and json.loads(found.stdout)["newest_verified"] is not None


def test_a_stack_with_backups_archives_its_wal_and_verifies_what_it_made() -> None:
    (port,) = free_ports(1)
    with workplace(BACKUP="1", BACKUP_PORT=str(port)) as place, place.up() as stack:
        assert (
            f"{'backup':<14} http://localhost:{port}  (metrics: http://localhost:{port}/metrics)"
            in stack.output
        )
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
        wait_until(lambda: has_a_verified_backup(place))
        status = place.quartet("backup", "status", "--json")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["faults"] == []
        wait_until(
            lambda: (
                "quartet_backup_verified_age_seconds" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
            )
        )
        assert "restored and compared" in place.quartet("logs", "backup").stdout
