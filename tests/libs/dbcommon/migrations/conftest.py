"""A sample service with migrations, and its empty database."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quartet.provision.contents import ensure_contents
from quartet.provision.session import open_session
from tests.libs.dbcommon.migrations.migrating import Database, EmptyDatabase
from tests.libs.sample_service import SampleService, write_sample_service
from tests.servers import TestServer

NUMBERS = itertools.count()


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[SampleService]:
    """A service of its own for each test: revisions are read once a process."""
    service = write_sample_service(tmp_path, f"sample_{next(NUMBERS)}")
    try:
        yield service
    finally:
        sys.path.remove(str(tmp_path))


@pytest.fixture
def empty_database(bare_server: TestServer) -> EmptyDatabase:
    """`await empty_database("l2p")` makes an empty database, provisioned as that service's: the owner's URL and the runtime role's."""

    async def make(service: str) -> Database:
        name = f"sample_db_{next(NUMBERS)}"
        planned = replace(bare_server.plan[service], database=name)
        admin = await bare_server.connect()
        try:
            await admin.execute(f'CREATE DATABASE "{name}" OWNER "{planned.owner}" TEMPLATE template0')
            await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{planned.user}"')
        finally:
            await admin.close()
        async with open_session(bare_server.admin, database=name) as session:
            await ensure_contents(session, bare_server.plan, service=planned)
        return (
            bare_server.url(service, role="owner", database=name),
            bare_server.url(service, role="user", database=name),
        )

    return make


@pytest.fixture
async def urls(empty_database: EmptyDatabase) -> Database:
    """An empty, provisioned database: the owner's URL and the runtime role's."""
    return await empty_database("auth")
