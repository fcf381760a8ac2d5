"""Keeps PostgreSQL and the services running, and stops them so that nothing is lost."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from quartet.errors import Failure, ServiceFailed
from quartet.health import check_service
from quartet.postgres import Cluster
from quartet.provision.plan import SERVICES
from quartet.settings import OperatorSettings
from quartet.settings.service_check import check_service_settings
from quartet.stack.console import Console
from quartet.stack.logfile import LogFile
from quartet.stack.ports import open_listeners
from quartet.stack.program import (
    FIRST_DELAY_SECONDS,
    LONGEST_DELAY_SECONDS,
    Declaration,
    Program,
    start_unblocked,
)
from quartet.stack.programs import HELPERS, declare_programs, helpers_of
from quartet.stack.startup import open_cluster, start_server

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_SECONDS = 0.05
READY_SECONDS = 120.0
REPORT_UNREADY_SECONDS = 8.0
"""After so long the console says why a service is not ready, and again each time three times as long has passed: on a busy
machine services do not answer at first."""
MOST_EARLY_EXITS = 4
"""A service that has ended so often without ever being ready will not recover by itself."""
FINAL_EXIT_CODES = {2, 3}
"""Wrong settings, and a port that cannot be bound: a restart does not help."""
KILL_MARGIN_SECONDS = 5.0
"""Added to the services' own limit, for a busy machine; a service that runs longer is killed."""


class StopRequested(KeyboardInterrupt):
    """A signal arrived while the stack was starting. It derives from KeyboardInterrupt, which leaves an event loop at once;
    another exception would stay in its task."""


class Supervisor:
    """One run of the stack, from the first check to the last process's end."""

    def __init__(
        self, settings: OperatorSettings, *, environment: Mapping[str, str], console: Console
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._console = console
        self._cluster: Cluster | None = None
        self._programs: list[Program] = []
        self._listeners: dict[str, socket.socket] = {}
        self._signals = 0
        self._is_starting = True
        self._started = time.monotonic()
        self._services_started = self._started
        self._was_ready = False
        self._report_after = REPORT_UNREADY_SECONDS
        self._was_killed = False
        self._database_delay = FIRST_DELAY_SECONDS

    def run(self) -> None:
        """Start everything, wait for a signal, stop everything. Raises the Failure that prevented the start."""
        home = self._settings.home
        with home.held(), self._signals_handled():
            try:
                self._start()
                self._is_starting = False
                self._supervise()
            except StopRequested:
                pass
            finally:
                self._is_starting = False
                self._stop()
                home.run_file.unlink(missing_ok=True)

    def _start(self) -> None:
        settings = self._settings
        addresses = {service: settings.host_and_port(service) for service in SERVICES}
        addresses |= {name: settings.host_and_port(name) for name in helpers_of(settings)}
        _ = settings.replicas  # raises WrongSettings before anything is started
        self._listeners = open_listeners(addresses)
        check_service_settings(settings, process=self._environment)
        self._record("starting")
        self._cluster = open_cluster(settings)
        server = start_server(settings, self._cluster, say=self._console.say)
        declared = declare_programs(
            settings,
            server=server,
            environment=self._environment,
            listeners=self._listeners,
            colour=self._console.colour,
        )
        self._delete_stale_logs({declaration.name for declaration in declared})
        self._programs = [self._prepare(declaration) for declaration in declared]
        start_unblocked(self._programs)
        self._services_started = time.monotonic()
        self._record("starting")

    def _delete_stale_logs(self, names: set[str]) -> None:
        """Delete the logs of processes that this run does not have, such as a second replica."""
        for service in (*SERVICES, *HELPERS):
            for path in self._settings.home.logs.glob(f"{service}*.log"):
                if path.stem not in names:
                    path.unlink()

    def _prepare(self, declaration: Declaration) -> Program:
        log = LogFile(self._settings.home.logs / f"{declaration.name}.log")
        return Program(declaration, console=self._console, log=log)

    def _supervise(self) -> None:
        while not self._signals:
            now = time.monotonic()
            changed = [program for program in self._programs if program.poll(now=now)]
            if changed:
                start_unblocked(self._programs)
                self._record("ready" if self._was_ready else "starting")
            if not self._was_ready:
                self._await_first_readiness(now)
            self._keep_database_running()
            time.sleep(TICK_SECONDS)

    def _await_first_readiness(self, now: float) -> None:
        for program in self._programs:
            given_up = program.exit_code in FINAL_EXIT_CODES or program.restarts >= MOST_EARLY_EXITS
            if given_up and program.state != "ready":
                said = f" ({program.last_lines[-1]})" if program.last_lines else ""
                raise ServiceFailed(f"{program.name} does not start{said}: see {self._settings.home.logs}")
        if all(program.state == "ready" for program in self._programs):
            self._was_ready = True
            self._record("ready")
            self._announce(now - self._started)
        elif now - self._services_started > self._report_after:
            self._report_after *= 3
            self._report_unready()
        elif now - self._started > READY_SECONDS:
            late = ", ".join(program.name for program in self._programs if program.state != "ready")
            raise ServiceFailed(
                f"not ready after {READY_SECONDS:.0f} s: {late}; see {self._settings.home.logs}"
            )

    def _report_unready(self) -> None:
        for program in self._programs:
            if program.state != "ready":
                report = check_service(program.name, *program.own_address)
                self._console.say(f"{program.name} is not ready yet: {report.reason}")

    def _announce(self, seconds: float) -> None:
        say = self._console.say
        replicas = self._settings.replicas
        each = f", {replicas} processes each" if replicas > 1 else ""
        say(f"all four services are ready{each} ({seconds:.1f} s)")
        for declared in {each.declaration.service: each.declaration for each in self._programs}.values():
            say(f"  {declared.service:<14} {declared.url}  ({declared.about})")
        if self._cluster is not None:
            say(f"  {'postgres':<14} 127.0.0.1:{self._cluster.port}  (`quartet dsn auth` prints a URL)")
        say(
            "Ctrl-C stops everything; `quartet ps`, `quartet logs` and `quartet down` work from another terminal"
        )

    def _keep_database_running(self) -> None:
        """Restart a server that ended, on the port that the services know."""
        cluster = self._cluster
        if cluster is None or self._signals:
            return
        if cluster.is_running():
            self._database_delay = FIRST_DELAY_SECONDS
            cluster.limit_log()
            return
        self._console.say(f"PostgreSQL ended; restarting it (its log: {cluster.log_file})")
        try:
            cluster.restart()
        except Failure as failure:
            self._console.say(
                f"PostgreSQL cannot be started, next try in {self._database_delay:g} s: {failure}"
            )
            time.sleep(self._database_delay)
            self._database_delay = min(self._database_delay * 2, LONGEST_DELAY_SECONDS)
        self._record("ready" if self._was_ready else "starting")

    def _stop(self) -> None:
        with contextlib.suppress(OSError, Failure):  # everything is stopped even if this fails
            self._record("stopping")
        if self._programs:
            self._console.say("stopping (Ctrl-C again stops at once)")
        for program in self._programs:
            program.signal(signal.SIGTERM)
        for listener in self._listeners.values():  # the processes have descriptors of their own
            listener.close()
        deadline = time.monotonic() + self._settings.longest_service_stop + KILL_MARGIN_SECONDS
        while any(program.pid for program in self._programs):
            if self._signals > 1 or time.monotonic() > deadline:
                self._kill_services()
            time.sleep(0.02)
        for program in self._programs:
            program.finish()
        if self._cluster is not None and self._cluster.is_running():
            self._cluster.stop("immediate" if self._signals > 1 else "fast")
            self._console.say("stopped; all committed data is kept")

    def _kill_services(self) -> None:
        if self._was_killed:
            return  # `_stop` waits for them
        self._was_killed = True
        for program in self._programs:
            if program.pid:
                self._console.say(f"{program.name} is killed")
                program.signal(signal.SIGKILL)

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the supervisor must run in the main thread: its children end with it")
        taken = [
            number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN
        ]  # ignored by nohup
        before = {number: signal.signal(number, self._on_signal) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._is_starting:
            self._is_starting = False
            raise StopRequested
        if self._signals == 2 and self._cluster is not None and not any(p.pid for p in self._programs):
            pid = self._cluster.pid
            if pid is not None:  # do not wait for the fast stop; the next start recovers
                os.kill(pid, signal.SIGQUIT)

    def _record(self, state: str) -> None:
        cluster = self._cluster
        content: dict[str, Any] = {"pid": os.getpid(), "state": state, "services": {}}
        if cluster is not None and cluster.is_initialised():
            content["postgres"] = {
                "pid": cluster.pid,
                "port": cluster.port if cluster.is_running() else None,
                "major": cluster.major,
                "data_folder": str(cluster.data_folder),
            }
        for program in self._programs:
            content["services"][program.name] = program.describe()
        self._settings.home.write_run_state(content)
