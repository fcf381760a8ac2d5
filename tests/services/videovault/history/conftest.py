"""A user for each test."""

import pytest

from tests.services.videovault.history.viewer import Viewer
from tests.services.videovault.library import Library
from tests.tokens import TokenMint


@pytest.fixture
def viewer(library: Library, mint: TokenMint) -> Viewer:
    """A user who has not watched anything yet."""
    return Viewer(library=library, mint=mint)
