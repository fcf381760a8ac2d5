"""Fixtures of the tests of backups: one server with rows, and one backup of it, for all that do not harm them."""

import shutil
from collections.abc import Iterator

import pytest

from tests.ops.backup.archives import Story, told_story
from tests.ops.backup.servers import FilledServer, filled_server
from tests.ops.command import Workplace, workplace


@pytest.fixture(scope="session")
def filled() -> Iterator[FilledServer]:
    """The server. Whoever changes its databases puts them back."""
    with filled_server() as server:
        yield server


@pytest.fixture
def place(filled: FilledServer) -> Iterator[Workplace]:
    """A folder without a backup, from where the command reaches the server."""
    with workplace(**filled.told) as made:
        yield made


@pytest.fixture(scope="session")
def backed_up(filled: FilledServer) -> Iterator[Workplace]:
    """The same with one backup, which nobody changes."""
    with workplace(**filled.told) as made:
        done = made.call("backup", "full")
        assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture
def copy(filled: FilledServer, backed_up: Workplace) -> Iterator[Workplace]:
    """A copy of the place with a backup, to be harmed."""
    with workplace(**filled.told) as place:
        shutil.copytree(backed_up.home, place.home, dirs_exist_ok=True)
        yield place


@pytest.fixture(scope="session")
def story() -> Iterator[Story]:
    """Another server, whose WAL was received. Whoever changes its databases puts them back."""
    with told_story() as told:
        yield told
