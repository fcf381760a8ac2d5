"""The keys that the processes of this folder fetch."""

from tests.services.l2p.games.conftest import key_server

__all__ = ["key_server"]
