"""Prometheus' own programs, where they are installed (Debian's package `prometheus`); `.ci/run` installs them."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are one more dependency for these few lines

from quartet.processes import spawn
from tests.deploy.exposed import ROOT, RULES
from tests.processes import free_ports

needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("REQUIRE_PROMETHEUS"),
    reason="there is no Prometheus: install the package `prometheus`",
)


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`."""
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now; none before Prometheus listens."""
        try:
            answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30)
        except httpx.HTTPError:
            return []
        body = answer.json()
        assert body["status"] == "success", (expression, body)
        found: list[dict[str, Any]] = body["data"]["result"]
        return found


@contextlib.contextmanager
def running_prometheus(folder: Path, ports: Mapping[str, int]) -> Iterator[Prometheus]:
    """Prometheus with our own configuration and rules, for jobs on other ports: it asks every second, and alerts fire at
    once."""
    configuration = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(folder / "*.rules.yaml")]
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    for path in RULES:
        folder.joinpath(path.name).write_text(
            re.sub(r"^ +for: .*\n", "", path.read_text(), flags=re.MULTILINE)
        )
    place = folder / "prometheus.yml"
    place.write_text(yaml.safe_dump(configuration))
    (port,) = free_ports(1)
    arguments = (f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "log").open("wb") as log:
        process = spawn(
            [program("prometheus"), f"--config.file={place}", *arguments],
            environment=dict(os.environ),
            output=log,
            signal_at_parents_death=signal.SIGTERM,
            folder=folder,
        )
        try:
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=60)
