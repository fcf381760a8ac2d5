"""The processes of the tests of games."""

from tests.services.l2p.games.conftest import key_server, pair

__all__ = ["key_server", "pair"]
