"""What `quartet backup run` tells over HTTP: `/metrics` for Prometheus, and `/readyz`."""

import socket
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from quartet.backup.activity import ServerActivity, describe_activity
from quartet.backup.status import BackupStatus


class Metrics(Collector):
    """The status of the backups, the server's counters and this process as Prometheus reads them: ages and lags in
    seconds, sizes in bytes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        self.status: BackupStatus | None = None
        self.activity: ServerActivity | None = None
        self.is_receiving: Callable[[], bool] = lambda: False

    def collect(self) -> Iterator[Metric]:
        """Each number that is known."""
        activity, status = self.activity, self.status
        yield GaugeMetricFamily(
            "quartet_postgres_up", "Whether PostgreSQL answers.", value=float(activity is not None)
        )
        if activity is not None:
            yield from describe_activity(activity)
        if status is not None:
            yield from _describe_status(status)


def _describe_status(status: BackupStatus) -> Iterator[Metric]:
    for name, told, value in (
        ("quartet_backup_age_seconds", "Since the newest full backup ended.", status.newest_backup_age),
        (
            "quartet_backup_verified_age_seconds",
            "Since the newest full backup ended that was restored and compared.",
            status.newest_verified_age,
        ),
        (
            "quartet_backup_stored_bytes",
            "What backups and WAL take at their destination.",
            status.stored_bytes,
        ),
        (
            "quartet_backup_wal_lag_seconds",
            "How far the archive is behind the server.",
            status.wal_lag_seconds,
        ),
        ("quartet_backup_wal_lag_bytes", "WAL that is not in the archive.", status.wal_lag_bytes),
    ):
        if value is not None:
            yield GaugeMetricFamily(name, told, value)


def serve_metrics(listener: socket.socket, metrics: Metrics) -> None:
    """Answer on a bound socket, in a thread that ends with the process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path == "/readyz":
                is_ready = metrics.is_receiving()
                status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(
                    status, "application/json", b'{"status":"pass"}' if is_ready else b'{"status":"fail"}'
                )
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics and /readyz\n")

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_activate()
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
