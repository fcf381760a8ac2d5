"""An application on a database of its own, with its users, and on a port for the browser."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
import uvicorn
from starlette.types import ASGIApp

from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.conftest import CopyDatabase
from tests.services.videovault.library import Library, settings_for
from tests.services.videovault.media_files import KINDS, make_film
from tests.tokens import TokenMint
from videovault.main import create_app
from webcommon.app.http_protocol import BoundedHeadersProtocol

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest_asyncio.fixture(scope="module")
async def database(copy_database: CopyDatabase) -> DatabaseSettings:
    """A migrated database that no other module uses."""
    return await copy_database("videovault")


@pytest_asyncio.fixture(scope="module")
async def running_library(database: DatabaseSettings, mint: TokenMint) -> AsyncIterator[Library]:
    """One application for the tests of a module."""
    app = create_app(settings_for(database), issuers=[mint.issuer])
    async with running(app) as client:
        yield Library(
            app=app,
            client=client,
            editor=mint.headers(roles=("user", "editor")),
            reader=mint.headers(roles=("user",)),
        )


@pytest_asyncio.fixture
async def library(running_library: Library) -> Library:
    """An empty library over HTTP, with an editor and a reader."""
    await running_library.execute("DELETE FROM videos")
    return running_library


@contextlib.asynccontextmanager
async def _serving(app: ASGIApp, *, lifespan: Literal["on", "off"] = "on") -> AsyncIterator[str]:
    # The socket listens before the server runs, so that early connections wait in its queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, http=BoundedHeadersProtocol, log_config=None, lifespan=lifespan, ws="none")
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            await task


@pytest.fixture(scope="session")
def serve() -> Serve:
    """`async with serve(app) as url`: the application on a port of 127.0.0.1."""
    return _serving


@pytest_asyncio.fixture
async def library_url(library: Library) -> AsyncIterator[str]:
    """The library under test on a port of 127.0.0.1, for the browser."""
    async with _serving(library.app, lifespan="off") as url:
        yield url


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of each kind, for reading."""
    folder = tmp_path_factory.mktemp("kinds").resolve()
    for name, film in KINDS.items():
        make_film(folder / name, film)
    return folder
