"""A library that may scan the tests' folders."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.videovault.library import Library, settings_for
from tests.services.videovault.scans.folders import Films, make_root
from tests.tokens import TokenMint
from videovault.main import create_app


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that may be scanned."""
    return tmp_path_factory.mktemp("media").resolve()


@pytest.fixture(scope="module")
def scan_settings() -> dict[str, Any]:
    """Settings that a module sets otherwise."""
    return {}


@pytest_asyncio.fixture(scope="module")
async def scanning_library(
    database: DatabaseSettings, mint: TokenMint, media: Path, scan_settings: dict[str, Any]
) -> AsyncIterator[Library]:
    """One application for the tests of a module."""
    settings = settings_for(
        database, media_roots=str(media), scan_ignore="samples,*-trailer.*", **scan_settings
    )
    app = create_app(settings, issuers=[mint.issuer])
    async with running(app) as client:
        yield Library(
            app=app,
            client=client,
            editor=mint.headers(roles=("user", "editor")),
            reader=mint.headers(roles=("user",)),
        )


@pytest_asyncio.fixture
async def library(scanning_library: Library) -> Library:
    """An empty library without roots."""
    for table in ("videos", "roots", "scans"):
        await scanning_library.execute(f"DELETE FROM {table}")  # noqa: S608 - of this list
    return scanning_library


@pytest.fixture
def folder(media: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of the test's own, which is not there yet."""
    return media / tmp_path.name


@pytest_asyncio.fixture
async def films(library: Library, folder: Path) -> Films:
    """An empty root."""
    return await make_root(library, folder)
