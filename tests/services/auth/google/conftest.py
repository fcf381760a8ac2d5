"""A running Auth with a stand-in for Google, and a browser."""

from collections.abc import AsyncIterator

import pytest

from standins.openid_provider.provider import Provider
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app
from tests.services.auth.google.visits import Browser, browser_of, google_settings, google_standin
from webcommon.app.service import Service


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    """The module's stand-in for Google."""
    async with google_standin() as standin:
        yield standin


@pytest.fixture(scope="module")
async def app(auth_database: AuthDatabase, provider: Provider) -> AsyncIterator[Service]:
    """A running Auth that uses it as Google."""
    service = make_app(auth_database.settings, **google_settings(provider))
    async with running(service):
        yield service


@pytest.fixture
async def browser(app: Service) -> AsyncIterator[Browser]:
    """A browser without cookies."""
    async with browser_of(app) as one:
        yield one
