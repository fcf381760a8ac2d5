"""Shared parts of the benchmarks: a throw-away PostgreSQL, server processes, load from another process, output.

The benchmarks are programs, not a package: each is run by its file's name and imports its neighbours.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
from quartet.postgres import Cluster
from quartet.provision import AdminConnection, Plan, provision

FOLDER = Path(__file__).resolve().parent
PASSWORD = "seven quiet harbours"  # noqa: S105 - of accounts that live as long as the benchmark
SERVICES = ("AUTH", "L2P", "PAYMENT", "VIDEOVAULT")
START_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server process under measurement."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """User and system CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def throw_away_databases(
    *services: str, owners: dict[str, DatabaseUrl] | None = None
) -> Iterator[dict[str, DatabaseUrl]]:
    """The URLs of fresh databases of these services on a PostgreSQL that ends with the block. `owners` gets those of the
    owner roles."""
    with tempfile.TemporaryDirectory(prefix="quartet-benchmark-") as folder:
        Path(folder).chmod(0o711)  # run by root, the server belongs to another user
        cluster = Cluster(Path(folder) / "cluster")
        password = secrets.token_urlsafe(24)
        cluster.initialise(superuser_password=password)
        with cluster.running():
            admin = AdminConnection(host="127.0.0.1", port=cluster.port, password=password)
            # Four servers have a pool each, where the real limit is for one.
            plan = Plan.generated()
            plan = replace(plan, services=tuple(replace(each, user_connections=50) for each in plan))
            asyncio.run(provision(admin, plan))
            hosts = (("127.0.0.1", cluster.port),)
            urls = {}
            for service in services:
                own = plan[service]
                owner = DatabaseUrl(
                    user=own.owner, password=own.owner_password, hosts=hosts, database=own.database
                )
                upgrade(service, owner)
                if owners is not None:
                    owners[service] = owner
                urls[service] = replace(owner, user=own.user, password=own.user_password)
            yield urls


@contextlib.contextmanager
def serve(name: str, *command: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """A server process, ready to answer, for the length of a block. `{port}` in the interpreter's arguments is its port."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, *(argument.format(port=port) for argument in command)],
        cwd=FOLDER.parent,
        env={**os.environ, **environment, **{f"{service}_PORT": str(port) for service in SERVICES}},
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
    """Return when the port answers. Raises RuntimeError when the process ended, or did not answer in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server on port {port} did not start (exit status {process.poll()})")


def sign_in(port: int, number: int) -> str:
    """The access token of a new account."""
    person = {"login": f"person{number}", "password": PASSWORD}
    registration = {
        "email": f"person{number}@example.com",
        "username": person["login"],
        "password": person["password"],
    }
    post(port, "/v1/auth/register", registration)
    token: str = post(port, "/v1/auth/login", person)["access_token"]
    return token


def post(port: int, path: str, body: dict[str, str]) -> Any:
    """The JSON answer to a JSON body; None for an empty one."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
        answer = response.read()
    return json.loads(answer) if answer else None


@contextlib.contextmanager
def serve_auth() -> Iterator[tuple[Server, dict[str, str]]]:
    """Auth on a throw-away database, and the environment for a baseline beside it."""
    with throw_away_databases("auth") as urls:
        environment = {
            "AUTH_DATABASE_URL": urls["auth"].reveal(),
            "AUTH_SECRET": secrets.token_urlsafe(32),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "info",
        }
        with serve("auth", "-m", "auth", environment=environment) as auth:
            yield auth, environment


@contextlib.contextmanager
def serve_program(
    name: str, program: str, *arguments: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """A server process of a baseline of this folder."""
    with serve(name, str(FOLDER / program), "{port}", *arguments, environment=environment) as server:
        yield server


def answer(app: Starlette) -> None:
    """Serve a baseline on the port in the command line, with the options of webcommon.app.server."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


def put_load(program: str, *, seconds: float, **order: Any) -> Any:
    """The output of a load generator of this folder, which runs for `seconds` in a process of its own."""
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(FOLDER / program)],
        input=json.dumps({"seconds": seconds, **order}).encode(),
        stdout=subprocess.PIPE,
        timeout=seconds + 60,
        check=True,
    )
    return json.loads(result.stdout)


def read_options(description: str, *, seconds: float, rounds: int, connections: int) -> argparse.Namespace:
    """Parse the common options: `seconds`, `rounds`, `connections`, `json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=seconds, help="length of a round")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--connections", type=int, default=connections)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def tell(result: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print the result as one JSON object, or as the lines."""
    print(json.dumps(result) if as_json else "\n".join(lines))
