"""What the frame costs: `GET /v1/users/me` of Auth against a bare Starlette + asyncpg application that does the same.

    python benchmarks/frame.py [--seconds 4] [--rounds 5] [--connections 32] [--json]

Both verify the same tokens with the same verifier and run the same select on the same PostgreSQL, a throw-away one, each
in a process of its own; a third process asks. The figure is requests a CPU-second of the server process, which does
not depend on what else the machine does; rounds alternate and the median counts. Auth is measured as it ships, a line
in the log for each request included, and once more with LOG_LEVEL=warning, to tell what those lines cost.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
from quartet.postgres import Cluster
from quartet.provision import AdminConnection, Plan, provision

ROOT = Path(__file__).resolve().parents[1]
PATH = "/v1/users/me"
WANTED = 0.5
START_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server process under measurement."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def throw_away_database() -> Iterator[DatabaseUrl]:
    """The URL of a fresh `auth_db` on a PostgreSQL that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="quartet-benchmark-") as folder:
        Path(folder).chmod(0o711)  # run by root, the server belongs to another user
        cluster = Cluster(Path(folder) / "cluster")
        password = secrets.token_urlsafe(24)
        cluster.initialise(superuser_password=password)
        with cluster.running():
            admin = AdminConnection(host="127.0.0.1", port=cluster.port, password=password)
            # Four servers with a pool each, where the real limit is for one.
            plan = Plan(services=tuple(replace(each, user_connections=50) for each in Plan.generated()))
            asyncio.run(provision(admin, plan))
            auth, hosts = plan["auth"], (("127.0.0.1", cluster.port),)
            upgrade(
                "auth",
                DatabaseUrl(
                    user=auth.owner, password=auth.owner_password, hosts=hosts, database=auth.database
                ),
            )
            yield DatabaseUrl(
                user=auth.user, password=auth.user_password, hosts=hosts, database=auth.database
            )


@contextlib.contextmanager
def serve(name: str, module: str, *arguments: str, environment: dict[str, str]) -> Iterator[Server]:
    """A server process, ready to answer, for the length of a block."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, *(argument.format(port=port) for argument in arguments)],
        cwd=ROOT,
        env={**os.environ, **environment, "AUTH_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_open(port, process)
        yield Server(name=name, port=port, process=process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when the port answers. Raises RuntimeError when the process ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server on port {port} did not start (exit status {process.poll()})")


def sign_in(port: int, number: int) -> str:
    """The access token of a new account."""
    person = {"login": f"person{number}", "password": "seven quiet harbours"}
    registration = {
        "email": f"person{number}@example.com",
        "username": person["login"],
        "password": person["password"],
    }
    post(port, "/v1/auth/register", registration)
    token: str = post(port, "/v1/auth/login", person)["access_token"]
    return token


def post(port: int, path: str, body: dict[str, str]) -> Any:
    """The JSON answer to a JSON body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
        return json.load(response)


def measure(server: Server, *, seconds: float, tokens: list[str]) -> float:
    """Requests a CPU-second in one round."""
    order = {"port": server.port, "path": PATH, "seconds": seconds, "tokens": tokens}
    before = server.cpu_seconds()
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        timeout=seconds + 60,
        check=True,
    )
    return int(result.stdout) / (server.cpu_seconds() - before)


def run(*, seconds: float, rounds: int, connections: int) -> dict[str, Any]:
    """The medians of every server, and their ratios to the bare one."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(throw_away_database())
        environment = {
            "AUTH_DATABASE_URL": url.reveal(),
            "AUTH_SECRET": secrets.token_urlsafe(32),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
        }
        auth = stack.enter_context(serve("auth", "auth", environment=environment))
        with ThreadPoolExecutor(8) as threads:
            tokens = list(threads.map(lambda number: sign_in(auth.port, number), range(connections)))
        quiet_environment = {**environment, "LOG_LEVEL": "warning"}
        quiet = stack.enter_context(serve("auth, quiet log", "auth", environment=quiet_environment))
        bare = stack.enter_context(serve("bare", "benchmarks.bare_app", "{port}", environment=environment))
        lean = stack.enter_context(
            serve("bare, no reset", "benchmarks.bare_app", "{port}", "no-reset", environment=environment)
        )
        servers = (bare, lean, auth, quiet)
        for server in servers:
            measure(server, seconds=1, tokens=tokens)  # warm: prepared statements, remembered tokens
        figures: dict[str, list[float]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                figures[server.name].append(measure(server, seconds=seconds, tokens=tokens))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "path": PATH,
        "connections": connections,
        "requests_per_cpu_second": {name: round(value) for name, value in medians.items()},
        "ratio_to_bare": {name: round(value / medians["bare"], 3) for name, value in medians.items()},
        "wanted": WANTED,
    }


def main() -> None:
    """Read the options, measure, print. Exits with 1 when Auth stays under the wanted ratio."""
    parser = argparse.ArgumentParser(description="The cost of the frame, in requests a CPU-second.")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = run(seconds=options.seconds, rounds=options.rounds, connections=options.connections)
    if options.json:
        print(json.dumps(result))
    else:
        for name, figure in result["requests_per_cpu_second"].items():
            print(
                f"{name:16} {figure:7,} requests a CPU-second   {result['ratio_to_bare'][name]:.3f} of bare"
            )
    sys.exit(result["ratio_to_bare"]["auth"] < WANTED)


if __name__ == "__main__":
    main()
