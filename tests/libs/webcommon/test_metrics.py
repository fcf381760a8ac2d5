"""`/metrics`: requests by route template, never by path; the pool; the process."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import httpx
import psutil
import pytest
from fastapi import APIRouter, Request
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy import text

from dbcommon.engine import Database
from dbcommon.session import DatabaseDep
from dbcommon.settings import DatabaseSettings, PoolSettings
from tests.clients import running
from tests.servers import TestServer
from tests.tokens import TokenMint
from webcommon.api.schemas import ResponseBody
from webcommon.app.fast_path import fast_path
from webcommon.app.service import Service
from webcommon.auth.bearer import CallerDep
from webcommon.settings import ServiceSettings

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

router = APIRouter()


class Answer(ResponseBody):
    number: int


@router.get("/v1/things/{name}/parts/{number}")
async def read_part(name: str, number: int) -> int:
    return number


@router.post("/v1/things")
async def create_thing(request: Request) -> int:
    return len(await request.body())


@router.get("/v1/broken")
async def read_broken() -> None:
    raise RuntimeError("broken")


@router.get("/v1/fast")
@fast_path
async def read_fast(caller: CallerDep) -> Answer:
    return Answer(number=1)


@router.get("/v1/hold")
async def hold(database: DatabaseDep, seconds: float) -> int:
    async with database.transaction() as db:
        await db.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
    return 1


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")
    service: ClassVar[str] = "auth"
    port: int = 1


def build(mint: TokenMint, database: Database | None = None) -> Service:
    settings = Settings(secret=SecretStr("s" * 32))
    return Service(
        settings,
        version="0",
        title="Tiny",
        description="",
        routers=[router],
        database=database,
        issuers=[mint.issuer],
    )


@pytest.fixture
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint)) as started:
        yield started


async def samples_of(client: httpx.AsyncClient) -> Samples:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


async def test_requests_are_counted_by_method_template_and_status(
    client: httpx.AsyncClient, mint: TokenMint
) -> None:
    for number in range(3):
        await client.get(f"/v1/things/thing-{number}/parts/{number}?query={number}")
    await client.get("/v1/things/a/parts/not-a-number")
    await client.post("/v1/things", content=b"x")
    await client.get("/v1/broken")
    await client.get("/v1/fast", headers=mint.headers())
    await client.get("/v1/fast")
    samples = await samples_of(client)
    template = "/v1/things/{name}/parts/{number}"
    counted = {
        ("GET", template, "200"): 3,
        ("GET", template, "422"): 1,
        ("POST", "/v1/things", "200"): 1,
        ("GET", "/v1/broken", "500"): 1,
        ("GET", "/v1/fast", "200"): 1,
        ("GET", "/v1/fast", "401"): 1,
    }
    for (method, route, status), count in counted.items():
        assert value(samples, "http_requests_total", method=method, route=route, status=status) == count
    assert value(samples, "http_request_duration_seconds_count", method="GET", route=template) == 4
    bucket = {"method": "GET", "route": template}
    assert value(samples, "http_request_duration_seconds_bucket", **bucket, le="+Inf") == 4
    assert value(samples, "http_request_duration_seconds_bucket", **bucket, le="10.0") == 4


async def test_a_caller_cannot_make_a_series(client: httpx.AsyncClient) -> None:
    async def series() -> int:
        return len(await samples_of(client))

    async def scan(number: int) -> None:
        await client.get(f"/scan-{number}")
        await client.get(f"/v1/things/{number}/parts/{number}")
        await client.request(f"BREW{number}", "/v1/things")
        await client.request(f"BREW{number}", f"/scan-{number}")
        await client.get("/v1/things", params={"a": number})
        await client.get("/livez", headers={"Host": f"host-{number}", "X-Request-ID": f"id-{number}"})

    for number in range(3):
        await scan(number)
    await series()  # the first scrape makes the series of its own route
    before = await series()
    for number in range(3, 60):
        await scan(number)
    assert await series() == before
    text_of_metrics = (await client.get("/metrics")).text
    for hidden in ("scan-", "BREW", "host-", "id-"):
        assert hidden not in text_of_metrics


async def test_strange_methods_and_paths_have_one_name_each(client: httpx.AsyncClient) -> None:
    await client.request("BREW", "/v1/things")
    await client.get("/nowhere")
    samples = await samples_of(client)
    assert value(samples, "http_requests_total", method="OTHER", route="/v1/things", status="405") == 1
    assert value(samples, "http_requests_total", method="GET", route="(no route)", status="404") == 1


async def test_two_applications_in_one_process_count_apart(mint: TokenMint) -> None:
    async with running(build(mint)) as first, running(build(mint)) as second:
        await first.get("/nowhere")
        assert (
            value(
                await samples_of(second),
                "http_requests_total",
                method="GET",
                route="(no route)",
                status="404",
            )
            is None
        )


async def test_a_service_without_a_database_has_no_gauges_of_a_pool(client: httpx.AsyncClient) -> None:
    assert not [name for name, _ in await samples_of(client) if name.startswith("db_pool")]


@pytest.fixture
async def pooled(mint: TokenMint, bare_server: TestServer) -> AsyncIterator[httpx.AsyncClient]:
    settings = DatabaseSettings(url=bare_server.url("auth"), pool=PoolSettings(min=1, max=3, wait_seconds=5))
    async with running(build(mint, Database(settings, application_name="metrics"))) as started:
        yield started


async def test_the_pool_shows_its_connections_limits_and_waiters(pooled: httpx.AsyncClient) -> None:
    holding = [asyncio.create_task(pooled.get("/v1/hold", params={"seconds": 1})) for _ in range(5)]
    for _ in range(200):
        samples = await samples_of(pooled)
        if value(samples, "db_pool_waiting_requests") == 2:
            break
        await asyncio.sleep(0.01)
    assert value(samples, "db_pool_connections", state="in_use") == 3
    assert value(samples, "db_pool_connections", state="idle") == 0
    assert value(samples, "db_pool_min_connections") == 1
    assert value(samples, "db_pool_max_connections") == 3
    assert {answer.status_code for answer in await asyncio.gather(*holding)} == {200}
    after = await samples_of(pooled)
    assert value(after, "db_pool_connections", state="in_use") == 0
    assert value(after, "db_pool_connections", state="idle") == 3
    assert value(after, "db_pool_waiting_requests") == 0


async def test_the_time_of_those_who_waited_is_counted(pooled: httpx.AsyncClient) -> None:
    await asyncio.gather(*(pooled.get("/v1/hold", params={"seconds": 0.2}) for _ in range(5)))
    samples = await samples_of(pooled)
    count = value(samples, "db_pool_wait_seconds_count")
    assert count is not None
    assert count >= 2
    waited = value(samples, "db_pool_wait_seconds_sum")
    assert waited is not None
    assert 0.1 < waited < 5


async def test_the_process_shows_when_it_started_and_what_it_takes(client: httpx.AsyncClient) -> None:
    samples = await samples_of(client)
    started = value(samples, "process_start_time_seconds")
    assert started == pytest.approx(psutil.Process().create_time(), abs=60)
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
        assert (value(samples, name) or 0) > 0
