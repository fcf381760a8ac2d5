"""Fixtures of the operator's tests."""

from collections.abc import Iterator

import pytest

from tests.ops.walled_server import WalledServer, walled_server


@pytest.fixture(scope="module")
def walled() -> Iterator[WalledServer]:
    """A provisioned server behind the real access rules, one a module."""
    with walled_server() as server:
        yield server
