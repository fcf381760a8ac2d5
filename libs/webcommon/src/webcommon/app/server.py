"""Runs a service as a process: settings, logs, the listening socket, and a stop that loses no request."""

import atexit
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

import uvicorn

from dbcommon.settings_error import SettingsError
from webcommon.app.drain import longest_stop
from webcommon.app.http_protocol import BoundedHeadersProtocol
from webcommon.app.service import Service
from webcommon.app.socket_protocol import MESSAGE_LIMIT, PING_SECONDS, PONG_SECONDS, BoundedSocketProtocol
from webcommon.app.trace_export import tracing
from webcommon.observability.logs import configure_logging
from webcommon.settings import ServiceSettings

logger = logging.getLogger(__name__)

EXIT_CUT_OFF = 1
EXIT_SETTINGS = 2
EXIT_PORT = 3

INHERITED_LISTENERS = "INHERITED_LISTENERS"
"""The variable by which a supervisor passes bound sockets: their descriptors, comma separated.

The first may be shared with other processes of the service: any free one accepts a connection, and a waiting connection
survives the end of a process. The second is the process's own.
"""

BACKLOG = 2048

AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


class GracefulServer(uvicorn.Server):
    """SIGTERM: `/readyz` says 503 at once, the service hands over its work, the listener stays open for the drain time,
    then running requests finish and web sockets are closed with 1012.

    A second signal cuts the drain short, a third one ends the process at once. The exit status is 0: a requested stop is
    no failure, though uvicorn alone would end by the signal. What has not ended within `longest_stop`, such as a hook
    that swallows its cancellation, is cut off, and the status is 1.
    """

    def __init__(self, config: uvicorn.Config, *, app: Service) -> None:
        super().__init__(config)
        self._app = app
        self._stop_at = float("inf")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT during the block, without raising them again after it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """First signal: drain. Second: stop now. Third: do not wait for requests either."""
        health = self._app.health
        if self.should_exit:
            self.force_exit = True
        elif health.draining:
            self.should_exit = True
        else:
            health.draining = True
            settings = self._app.settings
            self._stop_at = time.monotonic() + settings.drain_seconds
            seconds = longest_stop(drain_seconds=settings.drain_seconds, grace_seconds=settings.grace_seconds)
            watch = threading.Timer(seconds, _cut_off, (seconds,))
            watch.daemon = True
            watch.start()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: whether to stop."""
        if self._app.health.draining:
            # Not in the signal's handler, which may run in the middle of other code.
            self._app.drain.start()
            if time.monotonic() >= self._stop_at and self._app.drain.is_over:
                self.should_exit = True
        return await super().on_tick(counter)


def _cut_off(seconds: float) -> None:
    logger.critical("the process has not ended within %g s of being told to; it is cut off", seconds)
    logging.shutdown()  # writes what is buffered
    os._exit(EXIT_CUT_OFF)


def run_service(create_app: Callable[[AnySettings], Service], settings_class: type[AnySettings]) -> None:
    """Serve until a signal. Exits 2 for wrong settings and 3 for a port that cannot be bound, each with a line on stderr."""
    # Python would collect garbage in all modules before it ends, which takes longer than the rest of a stop.
    atexit.register(gc.freeze)
    try:
        settings = settings_class.from_environment()
    except SettingsError as error:
        for line in error.lines:
            sys.stderr.write(f"{settings_class.service}: {line}\n")
        sys.exit(EXIT_SETTINGS)
    configure_logging(service=settings.service, level=settings.log_level, log_format=settings.log_format)
    listeners = _listen(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=BoundedHeadersProtocol,
        ws=BoundedSocketProtocol,
        ws_max_size=MESSAGE_LIMIT,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        # Compressing each message for each receiver costs as much again as sending it.
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=int(settings.grace_seconds),
        proxy_headers=False,
    )
    server = GracefulServer(config, app=app)
    # Objects that exist now stay; no collection has to visit them while requests wait.
    gc.freeze()
    with tracing(app):
        server.run(sockets=listeners)


def _listen(settings: ServiceSettings) -> list[socket.socket]:
    if inherited := os.environ.pop(INHERITED_LISTENERS, ""):
        return [_adopt(int(descriptor)) for descriptor in inherited.split(",")]
    try:
        return [_bind(settings.host, settings.port)]
    except OSError as error:
        prefix = settings.service.upper()
        if error.errno == errno.EADDRINUSE:
            fault = f"port {settings.port} is taken; stop what listens there or set {prefix}_PORT"
        else:
            place = f"{settings.host} port {settings.port}"
            fault = f"{place} cannot be listened on ({error.strerror}); set {prefix}_HOST or {prefix}_PORT"
        sys.stderr.write(f"{settings.service}: {fault}\n")
        sys.exit(EXIT_PORT)


def _adopt(descriptor: int) -> socket.socket:
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Two processes may both bind before either listens; the second one fails here.
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
