"""Inspects, starts and stops a stack from another process than its own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from quartet.errors import Failure, NoPermission, ServerFailed
from quartet.home import Home
from quartet.postgres.cluster import STOP_SECONDS as SERVER_STOP_SECONDS
from quartet.processes import module_command, spawn
from quartet.readiness import ask_all_readiness
from quartet.settings import OperatorSettings
from quartet.stack.startup import open_cluster
from quartet.stack.supervisor import KILL_MARGIN_SECONDS

OWN_LOG = "quartet.log"


def read_processes(home: Home) -> dict[str, Any]:
    """The processes of a state folder, as `quartet ps --json` prints them, each asked whether it is ready now."""
    state = home.run_state()
    if not state or not home.is_held():
        return {"state": "stopped", "pid": None, "services": {}}
    services: dict[str, dict[str, Any]] = state["services"]
    asked = ask_all_readiness({name: service["own_url"] for name, service in services.items()})
    return state | {
        "services": {name: service | {"readiness": asked[name]} for name, service in services.items()}
    }


def start_detached(home: Home, *, say: Callable[[str], None]) -> None:
    """Start `quartet up` in a session of its own and return when it is ready.

    Raises its failure, with its exit code and last lines.
    """
    with home.held():
        pass  # refused at once when another runs
    log = home.logs / OWN_LOG
    with log.open("wb") as output:
        process = spawn(
            module_command("quartet", "up", "--without-logs"),  # the services' logs have files of their own
            environment=os.environ,
            output=output,
            signal_at_parents_death=None,
            folder=os.getcwd(),
        )
    while process.poll() is None:
        state = home.run_state()
        if state.get("pid") == process.pid and state.get("state") == "ready":
            for name, url in {each["service"]: each["url"] for each in state["services"].values()}.items():
                say(f"{name:<14} {url}")
            say(f"{'postgres':<14} 127.0.0.1:{state['postgres']['port']}")
            say("`quartet logs -f` follows the logs, `quartet down` stops everything")
            return
        time.sleep(0.05)
    raise _failure_of(process, log.read_text(errors="replace"))


def stop_running(settings: OperatorSettings) -> bool:
    """Stop the stack, and a server that a former one left; whether there was anything to stop."""
    home = settings.home
    pid = home.run_state().get("pid")
    if isinstance(pid, int) and home.is_held():
        _ask_to_stop(pid)
        services = settings.longest_service_stop + KILL_MARGIN_SECONDS
        deadline = time.monotonic() + services + SERVER_STOP_SECONDS
        while home.is_held():
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"the stack (process {pid}) does not stop: see {home.logs}; kill -9 {pid} loses no data"
                )
            time.sleep(0.05)
        return True
    if not home.path.is_dir():
        return False
    cluster = open_cluster(settings)
    if not cluster.is_running():
        return False
    cluster.stop()
    return True


def _ask_to_stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise NoPermission(
            f"the stack (process {pid}) belongs to another user: stop it as that user"
        ) from None


def _failure_of(process: "subprocess.Popen[bytes]", told: str) -> Failure:
    marked = [line.removeprefix("quartet: ") for line in told.splitlines() if line.startswith("quartet: ")]
    for kind in Failure.__subclasses__():
        if kind.exit_code == process.returncode and marked:
            return kind("\n".join(marked))
    last = told.strip().splitlines()[-1:] or ["it said nothing"]
    return Failure(f"`quartet up` ended with exit code {process.returncode}: {last[0]}")
