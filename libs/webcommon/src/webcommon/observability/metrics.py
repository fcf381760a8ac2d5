"""`/metrics` in the Prometheus text format: requests by route template, the pool, and the process."""

from collections.abc import Iterator
from functools import cached_property

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dbcommon.engine import Database

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def known_method(method: str) -> str:
    """`method`, or `OTHER`: a caller may invent methods, and each would be a new series and a text in the log."""
    return method if method in _METHODS else "OTHER"


class RequestMetrics:
    """Counts and times requests, and shows the process's start, memory, time on the processors and open files. Each
    application has a registry of its own, so that several fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "route", "status")
        self._count = Counter("http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the request's first byte to the beginning of its answer: a stream lasts as long as its client likes.",
            labels[:2],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    @cached_property
    def _children(self) -> dict[tuple[str, str, int], tuple[Counter, Histogram]]:
        # Looking a child up by its labels takes a lock and builds strings; there are few routes and statuses.
        return {}

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request with a `known_method`; an unfinished answer has status 0."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = (
                self._count.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)


class PoolMetrics(Collector):
    """Gauges of the pool, read at each scrape, and how long requests waited for a connection."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        registry.register(self)
        wait = Histogram(
            "db_pool_wait_seconds",
            "Time that requests which had to wait spent waiting for a connection.",
            buckets=_BUCKETS,
            registry=registry,
        )
        database.pool.queue.waited_seconds = wait.observe

    def collect(self) -> Iterator[Metric]:
        """One gauge for each count of the pool."""
        status = self._database.pool_status()
        connections = GaugeMetricFamily("db_pool_connections", "Connections of the pool.", labels=["state"])
        connections.add_metric(["in_use"], status.in_use)
        connections.add_metric(["idle"], status.idle)
        yield connections
        yield GaugeMetricFamily("db_pool_min_connections", "Connections kept open.", value=status.min)
        yield GaugeMetricFamily("db_pool_max_connections", "Connections never exceeded.", value=status.max)
        yield GaugeMetricFamily(
            "db_pool_waiting_requests", "Requests waiting for a connection.", value=status.waiting
        )


def metrics_router(metrics: RequestMetrics) -> APIRouter:
    """The route that Prometheus scrapes."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        operation_id="read_metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
