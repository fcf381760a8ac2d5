"""Health of the services and the database, asked over the network."""

import asyncio
import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg

from quartet.errors import Failure
from quartet.provision.plan import SERVICES
from quartet.settings import OperatorSettings
from quartet.settings.operator import reachable_host

Status = Literal["pass", "warn", "fail"]
TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """One line of `quartet health`; `body` is what the service answered."""

    name: str
    address: str
    status: Status
    detail: str
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The errors of its checks as the service tells them, else `detail`."""
        checks = self.body.get("checks") or {}
        told = [f"{name}: {check['error']}" for name, check in checks.items() if check.get("error")]
        return ", ".join(told) or self.detail

    def as_json(self) -> dict[str, Any]:
        """The report for `--json`."""
        found: dict[str, Any] = {"status": self.status, "detail": self.detail, "address": self.address}
        return found | ({"report": self.body} if self.body else {})


async def check_all(settings: OperatorSettings) -> list[HealthReport]:
    """Reports of all, asked at the same time; the database's comes first."""
    services = (
        asyncio.to_thread(check_service, service, *settings.host_and_port(service)) for service in SERVICES
    )
    return list(await asyncio.gather(_check_database(settings), *services))


async def _check_database(settings: OperatorSettings) -> HealthReport:
    name, address = "postgres", ""
    try:
        server = settings.server()
        address = f"{server.host}:{server.port}"
        url = settings.database_url(SERVICES[0], server=server)
        beginning = time.monotonic()
        arguments = {"timeout": TIMEOUT_SECONDS, **url.connect_arguments(application_name="quartet-health")}
        connection = await asyncpg.connect(**arguments)
        try:
            version = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
    except (Failure, OSError, asyncpg.PostgresError) as error:
        return HealthReport(
            name=name, address=address, status="fail", detail=str(error) or type(error).__name__
        )
    latency = (time.monotonic() - beginning) * 1000
    detail = f"PostgreSQL {version.split()[0]}, connected in {latency:.0f} ms"
    return HealthReport(name=name, address=address, status="pass", detail=detail)


def check_service(service: str, host: str, port: int) -> HealthReport:
    """Ask one service."""
    host = reachable_host(host)
    address = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        body = json.loads(connection.getresponse().read())
        status: Status = body["status"] if body.get("status") in ("pass", "warn", "fail") else "fail"
    except OSError as error:
        detail = f"no answer ({error.strerror or type(error).__name__}): `quartet ps` shows whether it runs"
        return HealthReport(name=service, address=address, status="fail", detail=detail)
    except (http.client.HTTPException, ValueError, KeyError, AttributeError, TypeError):
        detail = "what answers there is not this service"
        return HealthReport(name=service, address=address, status="fail", detail=detail)
    finally:
        connection.close()
    return HealthReport(name=service, address=address, status=status, detail=_detail(body), body=body)


def _detail(body: dict[str, Any]) -> str:
    """The checks that do not pass, else the uptime."""
    checks = body.get("checks") or {}
    amiss = [f"{name}: {check['status']}" for name, check in checks.items() if check.get("status") != "pass"]
    return ", ".join(amiss) or f"up {body.get('uptime_seconds', 0):.0f} s"
