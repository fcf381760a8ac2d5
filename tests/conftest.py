"""Fixtures of all tests. Every database test runs on a real PostgreSQL: that of `PG_BINDIR`, else the packaged one."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.servers import TestServer, throw_away_server
from tests.shares import SERVICES, Share, UnitScheduling, count_workers, is_chosen
from tests.tokens import TokenMint

CopyDatabase = Callable[..., Awaitable[DatabaseSettings]]

CHROMIUM = Path("/usr/bin/chromium")

CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


SERVER_FIXTURES = {"bare_server", "own_server", "pair_server"}


def pytest_configure() -> None:
    """Accept interrupts however the tests were started: a shell ignores them for background jobs, and every command under
    test would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # httpx tries to import it several times a request; a module that is absent is searched for each time.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # what `import` takes for absent
    atexit.register(gc.freeze)
    # Collecting garbage after each 700 new objects, the default, takes a twentieth of the tests' time.
    gc.set_threshold(20_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI run each half of the services' files on another PostgreSQL, and a share of the drills."""
    parser.addoption(
        "--half",
        choices=("even", "odd"),
        help="of the services' tests that use a database, only those of this half of the files",
    )
    parser.addoption(
        "--drills",
        choices=[f"{number}/{count}" for count in (1, 2, 4, 8) for number in range(count)],
        default="0/1",
        help="of the long tests, only those of this share, counted from 0",
    )


def pytest_xdist_auto_num_workers() -> int:
    """For `-n logical`."""
    return count_workers()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> UnitScheduling:
    """For `--dist loadfile`."""
    return UnitScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use PostgreSQL and those of a service, and select what CI runs. Files with long tests come first,
    so that no core waits for another at the end."""
    for item in items:
        if SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)
        if SERVICES in item.path.parents:
            item.add_marker(pytest.mark.service)
    long_files = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long_files)
    half, drills = config.getoption("half"), Share.parse(config.getoption("drills"))
    others = [item for item in items if not is_chosen(item, half, drills)]
    if others:
        config.hook.pytest_deselected(items=others)
        dropped = set(others)
        items[:] = [item for item in items if item not in dropped]


def pytest_collection_finish() -> None:
    """Exempt imported modules, which stay to the end, from garbage collection."""
    gc.freeze()


@pytest.fixture(scope="session")
def bare_server() -> Iterator[TestServer]:
    """A provisioned server without tables."""
    with throw_away_server() as server:
        yield server


@pytest.fixture(scope="session")
def server(bare_server: TestServer) -> TestServer:
    """A provisioned server with four migrated databases. Tests copy them and do not write into them."""
    bare_server.migrate()
    return bare_server


@pytest.fixture(scope="module")
def own_server() -> Iterator[TestServer]:
    """A provisioned server for one module, to stop, kill or freeze."""
    with throw_away_server() as server:
        yield server


@pytest.fixture(scope="session")
def copy_database(server: TestServer) -> CopyDatabase:
    """`await copy_database("auth")` gives the settings of a fresh, migrated database of that service."""

    async def copy(service: str, *, pool: PoolSettings | None = None) -> DatabaseSettings:
        return await server.copy_database(service, pool=pool)

    return copy


@pytest.fixture(scope="session")
def mint() -> TokenMint:
    """Signs access tokens as Auth does; pass `mint.issuer` to an application's `issuers`."""
    return TokenMint()


@pytest.fixture(scope="session")
def chromium_program() -> Path:
    """The browser's program. Without one these tests are skipped; CI, which installs it, fails instead."""
    if not CHROMIUM.exists():
        missing = f"{CHROMIUM} is missing; install it (apt-get install -y chromium): the page is tested in it"
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail(missing)
        pytest.skip(missing)
    return CHROMIUM


@pytest_asyncio.fixture(scope="session")
async def chromium(chromium_program: Path) -> AsyncIterator[Browser]:
    """A real Chromium."""
    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(executable_path=chromium_program, args=CHROMIUM_FLAGS)
        yield program
        await program.close()
