"""The container stack as the drill sees it: `docker compose` on a project of the drill's own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "quartet-drill"
SERVICES = ("auth", "l2p", "payment", "videovault")
LONG_RUNNING = ("shared-postgres", *SERVICES, "backup")


class DrillFailed(Exception):
    """An expectation did not hold; the message names it."""


class Stack:
    """One project; `environment` stands for its `.env`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def docker(self, *arguments: str, expect: int | None = 0, seconds: float = 300) -> str:
        """Run the docker CLI and give its output. Raises DrillFailed when its exit status is not `expect` (None: any)."""
        done = subprocess.run(
            ["docker", *arguments],  # noqa: S607 - the user's docker, from the PATH
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **self.environment},
            timeout=seconds,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            shown = f"{done.stdout}\n{done.stderr}".strip()[-3000:]
            raise DrillFailed(f"docker {' '.join(arguments)}: exit status {done.returncode}\n{shown}")
        return done.stdout + (done.stderr if expect != 0 else "")

    def compose(self, *arguments: str, expect: int | None = 0, seconds: float = 300) -> str:
        """Run `docker compose` on the drill's project."""
        return self.docker("compose", "-p", PROJECT, *arguments, expect=expect, seconds=seconds)

    def build(self, *names: str) -> None:
        """Build images; all of them when none is named."""
        self.compose("build", *names, seconds=900)

    def up(self) -> float:
        """Run `up --wait` without a build; the seconds until everything was healthy."""
        started = time.monotonic()
        self.compose("up", "--detach", "--wait", "--no-build")
        return time.monotonic() - started

    def container(self, service: str) -> str:
        """The id of a service's container, also of one that has ended."""
        found = self.compose("ps", "--all", "--quiet", service).split()
        if len(found) != 1:
            raise DrillFailed(f"{service}: {len(found)} containers instead of one")
        return found[0]

    def inspect(self, service: str) -> dict[str, Any]:
        """The engine's description of a service's container."""
        found: dict[str, Any] = json.loads(self.docker("inspect", self.container(service)))[0]
        return found

    def started_at(self, *services: str) -> dict[str, str]:
        """Container and time of start of each service: equal means that nothing was restarted."""
        found = {service: self.inspect(service) for service in services}
        return {service: f"{it['Id']} {it['State']['StartedAt']}" for service, it in found.items()}

    def execute(self, service: str, *command: str, expect: int | None = 0) -> str:
        """Run a command inside a running container."""
        return self.compose("exec", "-T", service, *command, expect=expect)

    def operator(self, *command: str) -> str:
        """Run the operator's command as the documentation says."""
        return self.compose("run", "--rm", "-T", "quartet", *command)

    def port(self, service: str, inside: int) -> int:
        """The published port of a service. Raises DrillFailed when it is not on loopback."""
        address, _, port = self.compose("port", service, str(inside)).strip().rpartition(":")
        if address != "127.0.0.1":
            raise DrillFailed(f"{service} is published on {address}, not on loopback only")
        return int(port)

    def end(self) -> None:
        """Remove everything of the drill, its volumes too."""
        self.compose("--profile", "operator", "down", "--volumes", "--remove-orphans")


def say(text: str) -> None:
    """A line of the drill's report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def expect(condition: object, told: str) -> None:
    """Raise DrillFailed with the expectation, unless the condition holds."""
    if not condition:
        raise DrillFailed(told)


def wait_until(condition: Callable[[], bool], *, seconds: float, told: str) -> float:
    """Poll until the condition holds; the seconds that it took. Raises DrillFailed after `seconds`."""
    started = time.monotonic()
    while True:
        held, passed = condition(), time.monotonic() - started
        if passed > seconds:
            raise DrillFailed(f"{told}: not within {seconds:g} s")
        if held:
            return passed
        time.sleep(0.05)
