"""The suite with two processes a service, a stand-in for Google, and a mail server, one for all files of the folder."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from standins.openid_provider.provider import Provider
from tests.services.auth.google.visits import google_environment, google_standin
from tests.services.auth.mail.mails import MailServer
from tests.suite.stack import Stack, running_stack
from webcommon.auth.jwks import REFETCH_SECONDS


@pytest_asyncio.fixture(scope="package")
async def provider() -> AsyncIterator[Provider]:
    """The stand-in for Google."""
    async with google_standin() as provider:
        yield provider


@pytest_asyncio.fixture(scope="package")
async def mail_server() -> AsyncIterator[MailServer]:
    """Receives every mail of the stack."""
    server = MailServer()
    async with server.listening():
        yield server


@pytest.fixture(scope="package")
def stack(provider: Provider, mail_server: MailServer) -> Iterator[Stack]:
    """A running stack of two processes a service."""
    settings = google_environment(provider) | {
        "AUTH_SMTP_HOST": "127.0.0.1",
        "AUTH_SMTP_PORT": str(mail_server.port),
        "AUTH_MAIL_RETRY_SECONDS": "0.1",
        # The default is a quarter of an hour. It must be longer than a service's pause between two fetches.
        "AUTH_KEY_PUBLISH_SECONDS": str(REFETCH_SECONDS + 2),
    }
    with running_stack(settings) as stack:
        yield stack
