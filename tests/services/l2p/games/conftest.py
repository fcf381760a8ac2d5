"""What the tests of games call the two processes."""

from tests.services.l2p.conftest import Pair

__all__ = ["Pair"]
