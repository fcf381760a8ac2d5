"""Fixtures of the operator's tests."""

from collections.abc import Iterator

import pytest

from tests.ops.command import Workplace, workplace
from tests.ops.provisioned_server import ProvisionedServer, copied_server


@pytest.fixture(scope="module")
def provisioned() -> Iterator[ProvisionedServer]:
    """A provisioned server behind the real access rules, one a module."""
    with copied_server() as server:
        yield server


@pytest.fixture
def place() -> Iterator[Workplace]:
    """An empty folder, with a stack that never ran."""
    with workplace() as made:
        yield made


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
