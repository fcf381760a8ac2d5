"""A real Prometheus beside `quartet up`: every query of every board gives data, and its alerts see the stack go away."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.containers.story import PASSWORD, Services, Story
from tests.deploy.exposed import JOBS, Asked, asked_by_boards
from tests.deploy.prometheus import Prometheus, needs_prometheus, running_prometheus
from tests.ops.command import Workplace, wait_until, workplace
from tests.processes import free_ports
from tests.servers import run_blocking

pytestmark = [pytest.mark.long, needs_prometheus]

READS = {
    "auth": ("users", "/v1/users/me"),
    "l2p": ("lobbies", "/v1/lobbies"),
    "payment": ("products", "/v1/products"),
    "videovault": ("videos", "/v1/videos"),
}
"""A route of each service, and a table that it reads."""

CALLERS = 8
"""More than the two connections of the pool."""


def begin(place: Workplace) -> Story:
    """An administrator with a product and a lobby, an order and a video."""
    services = Services(place.ports)
    story = Story(services)
    account = {"email": story.email, "username": story.email.partition("@")[0], "password": PASSWORD}
    services.expect(201, "auth", "POST /v1/auth/register", body=account)
    assert place.quartet("auth", "grant", story.email, "admin").returncode == 0
    product = {"sku": story.sku, "name": "Tea", "unit_price": "40.28", "currency": "usd"}
    services.expect(201, "payment", "POST /v1/products", body=product, token=story.sign_in())
    return story


def make_traffic(story: Story) -> None:
    """Rows of each kind, joins, reads, and sign-ins that are refused and limited."""
    story.add()
    token = story.sign_in()
    for service, (_, path) in READS.items():
        story.services.call(service, f"GET {path}", token=token)
        story.services.call(service, "GET /readyz")
    lobby = next(path for path in story.kept if path.startswith("/v1/lobbies"))
    story.services.call("l2p", f"POST {lobby}/join", body={}, token=token)
    for service in ("auth", "l2p"):
        story.services.call(service, "POST /v1/auth/login", body={"login": "nobody", "password": PASSWORD})


async def exhaust_pools(place: Workplace, urls: dict[str, str], token: str) -> None:
    """Let requests of each service wait for a connection, until some are answered with 503."""
    headers = {"Authorization": f"Bearer {token}"}
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60))
        for service, (table, path) in READS.items():
            holder = await asyncpg.connect(urls[service])
            try:
                async with holder.transaction():
                    await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    calls = [
                        asyncio.create_task(client.get(place.url(service, path))) for _ in range(CALLERS)
                    ]
                    answered, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await holder.close()
            assert {call.result().status_code for call in answered} == {503}
            await asyncio.gather(*calls)
            await asyncio.gather(*(client.get(place.url(service, path)) for _ in range(CALLERS)))


def without_data(prometheus: Prometheus, asked: list[Asked]) -> list[str]:
    """The places of the queries that give nothing."""
    ready = ((each.place, each.expression.replace("$__rate_interval", "1m")) for each in asked)
    return [place for place, expression in ready if not prometheus.query(expression)]


def find_jobs_down(prometheus: Prometheus) -> set[str]:
    """The jobs whose alert of a service that is down fires."""
    firing = prometheus.query('ALERTS{alertname="ServiceDown", alertstate="firing"}')
    return {each["metric"]["job"] for each in firing}


def test_every_query_of_every_board_gives_data(tmp_path: Path) -> None:
    (backup_port,) = free_ports(1)
    settings = {"BACKUP": "1", "BACKUP_PORT": str(backup_port), "AUTH_LOGIN_FAILURES_PER_ACCOUNT": "2"}
    pool = {"DB_POOL_MAX": "2", "DB_POOL_WAIT_SECONDS": "1"}
    on_alerts = [
        each for each in asked_by_boards() if each.expression.startswith("2 * max by (alertname) (ALERTS")
    ]
    always = [each for each in asked_by_boards() if each not in on_alerts]
    assert len(on_alerts) == len(JOBS)
    missing: list[str] = []
    with workplace(**settings, **pool) as place:
        ports = place.ports | {"backup": backup_port}
        with place.up(), running_prometheus(tmp_path, ports) as prometheus:
            story = begin(place)
            urls = {
                service: place.quartet("dsn", service, "--role", "admin").stdout.strip() for service in READS
            }
            token = story.sign_in()

            def all_give_data() -> bool:
                run_blocking(lambda: exhaust_pools(place, urls, token))
                make_traffic(story)
                missing[:] = without_data(prometheus, always)
                return not missing

            try:
                wait_until(all_give_data)
            except AssertionError:
                pytest.fail(f"no data for {missing}")
            assert place.quartet("down").returncode == 0
            wait_until(lambda: not without_data(prometheus, on_alerts))
            # The jobs are asked for one after the other, so their alerts fire one after the other.
            wait_until(lambda: find_jobs_down(prometheus) == set(JOBS))
