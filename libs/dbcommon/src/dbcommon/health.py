"""Liveness, readiness and the full report: `/livez`, `/readyz`, `/health`.

Liveness checks nothing: a process must not be restarted because its database cannot be reached. Readiness asks the database, by a
probe that all callers share, and needs every migration that this version knows.
"""

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from dbcommon.engine import Database, PoolStatus
from dbcommon.errors import DatabaseError
from dbcommon.migrations import known_revisions, pending_revisions
from dbcommon.probe import ProbeResult

Status = Literal["pass", "warn", "fail"]


class HealthResponse(JSONResponse):
    """draft-inadarei-api-health-check's media type."""

    media_type = "application/health+json"


class PostgresCheck(BaseModel):
    """Whether the database answers, how fast (milliseconds), and its version."""

    status: Status
    latency_ms: float | None
    server_version: str | None
    error: str | None = None


class PoolCheck(BaseModel):
    """The pool's connections. `warn`: all of them are busy."""

    status: Status
    min: int
    max: int
    size: int
    in_use: int
    idle: int
    waiting: int


class MigrationsCheck(BaseModel):
    """The database's revision and the newest one that this version knows."""

    status: Status
    current: str | None
    head: str


class Checks(BaseModel):
    """The checks of the report."""

    postgres: PostgresCheck
    pool: PoolCheck
    migrations: MigrationsCheck


_REPORT: dict[str, Any] = {
    "status": "pass",
    "service": "auth",
    "version": "0.1.0",
    "uptime_seconds": 3912.4,
    "checks": {
        "postgres": {"status": "pass", "latency_ms": 0.6, "server_version": "18.0", "error": None},
        "pool": {"status": "pass", "min": 2, "max": 10, "size": 3, "in_use": 1, "idle": 2, "waiting": 0},
        "migrations": {"status": "pass", "current": "first_tables", "head": "first_tables"},
    },
    "persistence": None,
}


class HealthReport(BaseModel):
    """The full report; `status` is the worst of its checks."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT]})

    status: Status
    service: str
    version: str
    uptime_seconds: float
    checks: Checks | None = None
    persistence: Literal["server", "client"] | None = None


class Liveness(BaseModel):
    """The process runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "pass"}]})

    status: Literal["pass"] = "pass"


class Readiness(BaseModel):
    """Whether the process accepts requests, and if not, why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "pass", "reason": None, "persistence": None},
                {"status": "fail", "reason": "the service is stopping", "persistence": None},
            ]
        }
    )

    status: Status
    reason: str | None = None
    persistence: Literal["server", "client"] | None = None


@dataclass
class Health:
    """A service's health. `draining` is set when the process is told to stop."""

    service: str
    version: str
    database: Database | None
    persistence: Literal["server", "client"] | None = None
    draining: bool = False
    started_at: float = field(default_factory=time.monotonic)

    async def readiness(self) -> Readiness:
        """`pass` when the database answers and has every migration that this version knows."""
        if self.draining:
            return Readiness(status="fail", reason="the service is stopping", persistence=self.persistence)
        if self.database is None:
            return Readiness(status="pass", persistence=self.persistence)
        answer = await self.database.probe.ask()
        if not answer.answers:
            return Readiness(status="fail", reason=answer.error, persistence=self.persistence)
        pending = pending_revisions(self.service, answer.revision)
        if pending:
            many = "1 migration is" if len(pending) == 1 else f"{len(pending)} migrations are"
            reason = f"{many} pending; run: quartet db migrate {self.service}"
            return Readiness(status="fail", reason=reason, persistence=self.persistence)
        return Readiness(status="pass", persistence=self.persistence)

    async def report(self) -> HealthReport:
        """Every check, for people and dashboards."""
        checks = None
        if self.database is not None:
            answer = await self.database.probe.ask()
            checks = self._checks(answer, self.database.pool_status())
        parts: list[BaseModel] = [] if checks is None else [checks.postgres, checks.pool, checks.migrations]
        return HealthReport(
            status=_worst(
                [getattr(part, "status", "pass") for part in parts] + (["fail"] if self.draining else [])
            ),
            service=self.service,
            version=self.version,
            uptime_seconds=round(time.monotonic() - self.started_at, 1),
            checks=checks,
            persistence=self.persistence,
        )

    def _checks(self, answer: ProbeResult, pool: PoolStatus) -> Checks:
        up_to_date = answer.answers and not pending_revisions(self.service, answer.revision)
        return Checks(
            postgres=PostgresCheck(
                status="pass" if answer.answers else "fail",
                latency_ms=answer.latency_ms,
                server_version=answer.server_version,
                error=answer.error,
            ),
            pool=PoolCheck(status="warn" if pool.in_use >= pool.max else "pass", **asdict(pool)),
            migrations=MigrationsCheck(
                status="pass" if up_to_date else "fail",
                current=answer.revision,
                head=known_revisions(self.service)[-1],
            ),
        )


def _worst(statuses: list[Any]) -> Status:
    if "fail" in statuses:
        return "fail"
    return "warn" if "warn" in statuses else "pass"


def _refuse(response: Response) -> None:
    response.status_code = 503
    response.headers["Retry-After"] = str(DatabaseError.retry_after)


def health_router(health: Health) -> APIRouter:
    """The three routes, for GET and HEAD. None needs a token; `/livez` never uses the database."""
    router = APIRouter(tags=["health"])

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez", operation_id="read_liveness")
    async def read_liveness() -> Liveness:
        return Liveness()

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", operation_id="read_readiness", responses={503: {"model": Readiness}})
    async def read_readiness(response: Response) -> Readiness:
        readiness = await health.readiness()
        if readiness.status == "fail":
            _refuse(response)
        return readiness

    @router.head("/health", include_in_schema=False)
    @router.get(
        "/health",
        operation_id="read_health",
        response_model=HealthReport,
        response_class=HealthResponse,
        responses={503: {"model": HealthReport}},
    )
    async def read_health() -> Response:
        report = await health.report()
        answer = HealthResponse(report.model_dump(mode="json"))
        if report.status == "fail":
            _refuse(answer)
        return answer

    return router
