"""What our programs really tell Prometheus: metrics with their labels, and routes; and where boards and rules ask for them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are one more dependency for these few lines
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

import auth.main
import auth.settings
import l2p.main
import l2p.settings
import payment.main
import payment.settings
import videovault.main
import videovault.settings
from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from quartet.backup.activity import ServerActivity
from quartet.backup.metrics import Metrics
from quartet.backup.status import BackupStatus
from webcommon.app.service import Service

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy/prometheus").glob("*.rules.yaml"))
BOARDS = sorted((ROOT / "deploy/grafana/boards").glob("*.json"))
JOBS = ("auth", "l2p", "payment", "videovault", "backup")

ADDED = {"job", "instance"}
"""Labels that Prometheus adds to all."""

SYNTHETIC = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
"""Metrics that Prometheus makes itself."""


@dataclass(frozen=True)
class Asked:
    """An expression, and where it stands."""

    place: str
    expression: str
    legend: str = ""


def asked_by_boards() -> list[Asked]:
    """Each query of each board."""
    return [
        Asked(f"{path.stem}: {panel['title']}", target["expr"], target["legendFormat"])
        for path in BOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def alerts() -> list[dict[str, Any]]:
    """Each alert of each file of rules."""
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def asked_by_rules() -> list[Asked]:
    """The expression of each alert."""
    return [Asked(rule["alert"], rule["expr"]) for rule in alerts()]


def make_services() -> dict[str, Service]:
    """The four services, of which none has a database."""
    return {
        "auth": auth.main.create_app(auth.settings.Settings(**_common("auth"))),
        "l2p": l2p.main.create_app(l2p.settings.Settings(**_common("l2p"))),
        "payment": payment.main.create_app(payment.settings.Settings(**_common("payment"))),
        "videovault": videovault.main.create_app(videovault.settings.Settings(**_common("videovault"))),
    }


def _common(service: str) -> dict[str, Any]:
    url = DatabaseUrl(
        user=service,
        password="p" * 32,
        hosts=(("127.0.0.1", 1),),
        database=service,
        schema="public",
        options={},
    )
    return {"secret": SecretStr("s" * 32), "database": DatabaseSettings(url=url)}


def exposed_by(service: Service) -> dict[str, set[str]]:
    """The labels of each metric of a service, after a request."""
    service.request_metrics.observe(method="GET", route="/readyz", status=200, seconds=0.1)
    return _labels(service.request_metrics.registry)


def exposed_by_backup() -> dict[str, set[str]]:
    """The labels of each metric of `quartet backup run`, when all of it is known."""
    row: Any = dict.fromkeys(("bytes", "committed", "rolled_back", "deadlocks", "from_cache", "from_disk"), 1)
    row |= {"database": "auth_db", "number": 1, "temp_bytes": 1}
    metrics = Metrics()
    metrics.activity = ServerActivity(max_connections=100, connections=[row], databases=[row])
    metrics.status = BackupStatus(
        newest_backup="one",
        newest_backup_age=1.0,
        newest_verified="one",
        newest_verified_age=1.0,
        stored_bytes=1,
        wal_lag_seconds=1.0,
        wal_lag_bytes=1,
        windows=(),
        damaged=(),
    )
    return _labels(metrics.registry)


def routes_of(service: Service) -> set[str]:
    """The templates of its routes, as the metrics name them."""
    return set(service.openapi()["paths"]) | {
        route.path for route in service.routes if isinstance(route, APIRoute)
    }


def _labels(registry: CollectorRegistry) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found
