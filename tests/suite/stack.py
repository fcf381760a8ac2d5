"""The suite as `QUARTET_REPLICAS=2 make up` runs it: two processes a service behind one port, and the stand-in for Stripe."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dbcommon.settings import DatabaseSettings
from quartet.postgres import Cluster
from quartet.provision import Plan
from quartet.provision.plan import SERVICES
from tests.documented import checking
from tests.ops.command import RunningStack, Workplace, workplace
from tests.processes import free_port
from tests.servers import PATIENT, TestServer
from tests.services.auth.auth_app import AuthDatabase

FIRST_PATHS = {
    "auth": "/v1/users/me",
    "l2p": "/v1/users/me",
    "payment": "/v1/orders",
    "videovault": "/v1/videos",
}
"""A route of each service that requires a token."""

NAMES = [f"{service}.{number}" for service in SERVICES for number in (1, 2)]
"""The services' processes, as `quartet ps` names them."""

NOT_KEPT = httpx.Limits(max_connections=200, max_keepalive_connections=0)
"""A new connection for each request: over a kept one, one process would serve everything."""

Pair = tuple[httpx.AsyncClient, httpx.AsyncClient]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running `quartet up` with two processes a service."""

    place: Workplace
    running: RunningStack

    def own_url(self, name: str) -> str:
        """The URL of this process alone (`auth.2`)."""
        return str(self.running.state["services"][name]["own_url"])

    @contextlib.asynccontextmanager
    async def each(self, service: str) -> AsyncIterator[Pair]:
        """A client of each of a service's two processes."""
        urls = [self.own_url(f"{service}.{number}") for number in (1, 2)]
        async with _client(service, urls[0]) as one, _client(service, urls[1]) as other:
            yield one, other

    @contextlib.asynccontextmanager
    async def shared(self, service: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a service's shared port: each request goes to either process."""
        async with _client(service, self.place.url(service, "")) as client:
            yield client

    async def served(self, service: str, route: str) -> tuple[float, float]:
        """The number of requests for a route that each of the two processes has served."""
        async with self.each(service) as pair:
            first, second = [_count((await client.get("/metrics")).text, route) for client in pair]
        return first, second

    def database(self, service: str) -> AuthDatabase:
        """A service's database."""
        folder = Path(self.running.state["postgres"]["data_folder"])
        password = self.place.call("config", "get", "POSTGRES_PASSWORD").stdout.strip()
        server = TestServer(cluster=Cluster(folder), password=password, plan=Plan.generated())
        return AuthDatabase(settings=DatabaseSettings(url=server.url(service)), server=server)


def _client(service: str, url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=60, limits=NOT_KEPT, event_hooks=checking(service))


def _count(metrics: str, route: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["route"] == route
    )


@contextlib.contextmanager
def running_stack(settings: Mapping[str, str]) -> Iterator[Stack]:
    """The stack, until the block ends; `settings` are further environment variables."""
    told = {
        "QUARTET_REPLICAS": "2",
        "DB_POOL_WAIT_SECONDS": str(PATIENT.wait_seconds),
        "STRIPE_STANDIN": "1",
        "STRIPE_STANDIN_PORT": str(free_port()),
    }
    with workplace(**told, **settings) as place:
        # The stand-in for Google has the default address of Auth.
        place.told["AUTH_ISSUER"] = "http://localhost:5500"
        place.told["AUTH_JWKS_URL"] = place.url("auth", "/.well-known/jwks.json")
        with place.up() as running:
            yield Stack(place=place, running=running)
