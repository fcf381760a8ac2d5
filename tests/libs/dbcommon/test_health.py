"""`/livez`, `/readyz`, `/health` and the 503s of a service, as an orchestrator and a client see them."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import ClassVar

import httpx
import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.migrations import known_revisions
from dbcommon.session import DatabaseDep, SessionDep
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.clients import running
from tests.conftest import CopyDatabase
from tests.libs.dbcommon.pools import PATIENCE_SECONDS, until
from tests.servers import TestServer
from webcommon.app.service import Service
from webcommon.settings import ServiceSettings

router = APIRouter()


@router.get("/sleep")
async def sleep(database: DatabaseDep, seconds: float) -> int:
    row = await database.fetch_one(text("SELECT 1, pg_sleep(:seconds)"), {"seconds": seconds})
    assert row is not None
    return int(row[0])


@router.post("/write")
async def write(db: SessionDep) -> int:
    await db.execute(text("SELECT pg_sleep(0.01)"))
    return 1


class TinySettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"
    port: int = 5500


def build(settings: DatabaseSettings) -> Service:
    tiny = TinySettings(secret=SecretStr("x" * 32), database=settings)
    database = Database(settings, application_name="auth")
    return Service(tiny, version="1.2.3", title="Tiny", description="", routers=[router], database=database)


async def test_report_has_every_part_and_is_a_pass(copy_database: CopyDatabase) -> None:
    app = build(await copy_database("auth"))
    async with running(app) as client:
        await until(lambda: _has_minimum(client))
        response = await client.get("/health")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/health+json"
    report = response.json()
    assert (report["status"], report["service"], report["version"]) == ("pass", "auth", "1.2.3")
    checks = report["checks"]
    pool = {"status": "pass", "min": 2, "max": 10, "size": 2, "in_use": 0, "idle": 2, "waiting": 0}
    assert checks["pool"] == pool
    assert checks["postgres"]["latency_ms"] > 0
    assert checks["postgres"]["server_version"].split(".")[0] in {"15", "16", "17", "18"}
    head = known_revisions("auth")[-1]
    assert checks["migrations"] == {"status": "pass", "current": head, "head": head}


async def _has_minimum(client: httpx.AsyncClient) -> bool:
    report = (await client.get("/health")).json()
    return bool(report["checks"]["pool"]["idle"] == 2)


async def test_busy_pool_is_a_warning_and_never_a_failure(copy_database: CopyDatabase) -> None:
    app = build(await copy_database("auth"))
    async with running(app) as client:
        async with full(app.component(Database)):
            tasks = [asyncio.create_task(client.get("/sleep?seconds=0")) for _ in range(4)]
            await until(lambda: _pool_is_full(client))
            report = (await client.get("/health")).json()
            ready = await client.get("/readyz")
        assert report["status"] == "warn"
        assert report["checks"]["pool"] | {"waiting": 4} == report["checks"]["pool"]
        assert ready.status_code == 200
        answers = await asyncio.gather(*tasks)
        assert [answer.status_code for answer in answers] == [200] * 4


@contextlib.asynccontextmanager
async def full(database: Database) -> AsyncIterator[None]:
    """All connections are taken while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(database.settings.pool.max):
            await stack.enter_async_context(database.engine.connect())
        yield


async def _pool_is_full(client: httpx.AsyncClient) -> bool:
    report = (await client.get("/health")).json()
    return bool(report["checks"]["pool"]["in_use"] == 10 and report["checks"]["pool"]["waiting"] == 4)


async def test_request_that_waits_two_seconds_for_a_connection_gets_503(copy_database: CopyDatabase) -> None:
    app = build(await copy_database("auth", pool=PoolSettings(min=1, max=1)))
    async with running(app) as client:
        async with full(app.component(Database)), asyncio.timeout(PATIENCE_SECONDS):
            started = time.monotonic()
            answers = await asyncio.gather(*(client.post("/write") for _ in range(5)))
            assert time.monotonic() - started > 1.9
        for answer in answers:
            assert answer.status_code == 503
            assert answer.json()["type"] == "/problems/pool-exhausted"
            assert int(answer.headers["retry-after"]) >= 1


async def test_database_without_migrations_is_not_ready_and_says_what_to_do(bare_server: TestServer) -> None:
    connection = await bare_server.connect()
    await connection.execute("CREATE DATABASE empty_db")
    await connection.execute("GRANT CONNECT ON DATABASE empty_db TO auth_user")
    await connection.close()
    settings = DatabaseSettings(url=bare_server.url("auth", database="empty_db"))
    async with running(build(settings)) as client:
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert "quartet db migrate auth" in response.json()["reason"]
        assert (await client.get("/health")).json()["checks"]["migrations"]["current"] is None


async def test_newer_schema_than_this_version_knows_is_ready(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    settings = await copy_database("auth")
    connection = await server.connect(settings.url.database)
    await connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    await connection.close()
    async with running(build(settings)) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_many_callers_of_readiness_share_one_query(
    server: TestServer, copy_database: CopyDatabase
) -> None:
    settings = await copy_database("auth")
    async with running(build(settings)) as client:
        await client.get("/readyz")
        connection = await server.connect(settings.url.database)
        await asyncio.gather(*(client.get("/readyz") for _ in range(200)))
        probes = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'auth-health'",
            settings.url.database,
        )
        assert probes == 1
        await connection.close()


async def test_draining_service_is_not_ready_and_still_serves(copy_database: CopyDatabase) -> None:
    app = build(await copy_database("auth"))
    async with running(app) as client:
        app.health.draining = True
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/sleep?seconds=0")).status_code == 200


@pytest.mark.long
class TestServerThatGoesAway:
    """These stop a server of their own."""

    @pytest.fixture
    def settings(self, own_server: TestServer) -> DatabaseSettings:
        own_server.migrate()
        return DatabaseSettings(url=own_server.url("auth"))

    async def test_stopped_server_is_503_and_recovers(
        self, own_server: TestServer, settings: DatabaseSettings
    ) -> None:
        async with running(build(settings)) as client:
            assert (await client.get("/readyz")).status_code == 200
            own_server.cluster.stop()
            await until(lambda: _answers(client, "/readyz", 503))
            for path in ("/sleep?seconds=0", "/health", "/readyz"):
                answer = await client.get(path)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 1
            assert (await client.get("/livez")).status_code == 200
            own_server.cluster.start()
            await until(lambda: _answers(client, "/readyz", 200))
            await until(lambda: _answers(client, "/sleep?seconds=0", 200))

    async def test_a_silent_server_never_blocks_health(
        self, own_server: TestServer, settings: DatabaseSettings
    ) -> None:
        async with running(build(settings)) as client:
            # A back end that is forked after the others were stopped would still answer.
            await until(lambda: _has_minimum(client))
            postmaster = own_server.cluster.pid
            assert postmaster is not None
            connection = await own_server.connect()
            back_ends = [row["pid"] for row in await connection.fetch("SELECT pid FROM pg_stat_activity")]
            for pid in [postmaster, *back_ends]:
                os.kill(pid, signal.SIGSTOP)
            try:
                await until(lambda: _answers(client, "/readyz", 503))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    for path, status in (("/health", 503), ("/readyz", 503), ("/livez", 200)):
                        assert (await client.get(path)).status_code == status
                    answers = await asyncio.gather(*(client.get("/sleep?seconds=0") for _ in range(20)))
                assert {answer.status_code for answer in answers} == {503}
            finally:
                for pid in [postmaster, *back_ends]:
                    os.kill(pid, signal.SIGCONT)
            await until(lambda: _answers(client, "/readyz", 200))
            await connection.close()

    async def test_service_started_before_its_database_becomes_ready_with_it(
        self, own_server: TestServer, settings: DatabaseSettings
    ) -> None:
        own_server.cluster.stop()
        async with running(build(settings)) as client:
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/livez")).status_code == 200
            own_server.cluster.start()
            await until(lambda: _answers(client, "/readyz", 200))


async def _answers(client: httpx.AsyncClient, path: str, status: int) -> bool:
    return (await client.get(path)).status_code == status
