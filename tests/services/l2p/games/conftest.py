"""Two processes of Learn2Play on one database, and players of both."""

from collections.abc import AsyncIterator

import pytest

from l2p.settings import Settings
from tests.libs.webcommon.test_jwks import KeyServer, published
from tests.processes import Running, two_processes
from tests.tokens import TokenMint


@pytest.fixture(scope="module")
async def key_server(mint: TokenMint) -> AsyncIterator[KeyServer]:
    """Serves the keys that the processes fetch from Auth."""
    server = KeyServer()
    server.publish(published(mint))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


Pair = tuple[Running, Running]


@pytest.fixture(scope="module")
async def pair(settings: Settings, key_server: KeyServer) -> AsyncIterator[Pair]:
    """Two processes of Learn2Play."""
    assert settings.database is not None
    async with two_processes("l2p", settings.database, AUTH_JWKS_URL=key_server.url) as started:
        yield started
