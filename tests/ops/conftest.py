"""Fixtures of the operator's tests."""

from collections.abc import Iterator

import pytest

from tests.ops.command import Workplace, workplace
from tests.ops.provisioned_server import ProvisionedServer, provisioned_server


@pytest.fixture(scope="module")
def provisioned() -> Iterator[ProvisionedServer]:
    """A provisioned server behind the real access rules, one a module."""
    with provisioned_server() as server:
        yield server


@pytest.fixture
def place() -> Iterator[Workplace]:
    """An empty folder, with a stack that never ran."""
    with workplace() as made:
        yield made
