"""The runbook's commands are ones that `quartet` takes, and its tables are complete."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from quartet.cli import COMMANDS
from quartet.doctor.examination import CHECKS

TEXT = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()

PLACEHOLDERS = {
    "COMMAND": "health",
    "NAME": "AUTH_ISSUER",
    "NEW_DB": "l2p_copy",
    "PID": "1",
    "S": "l2p",
    "SERVICE": "l2p",
    "TIME": "2026-11-30T13:06:06Z",
}

SEPARATORS = {";", "|", "||", "&&", ">", "<"}


def written_commands() -> Iterator[str]:
    """Every command of the page, in its blocks of output and within sentences."""
    for line in re.findall(r"^\$ (.*)$|`([^`\n]*\bquartet [^`\n]*)`", TEXT, re.MULTILINE):
        yield line[0] or line[1]


def calls_of_quartet(line: str) -> Iterator[list[str]]:
    """The arguments of each call of `quartet` in a line of a shell."""
    call: list[str] | None = None
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    for word in [*words, ";"]:
        if word in SEPARATORS:
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(PLACEHOLDERS.get(word, word))
        elif word == "quartet":
            call = []


CALLS = sorted(
    {tuple(call) for line in written_commands() for call in calls_of_quartet(line) if "…" not in call}
)


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_a_command_of_the_runbook_is_one_that_quartet_takes(arguments: tuple[str, ...]) -> None:
    command, rest = get_command(COMMANDS), list(arguments)
    while isinstance(command, TyperGroup) and rest:
        context = command.make_context("quartet", [], resilient_parsing=True)
        found = command.get_command(context, name := rest.pop(0))
        assert found is not None, name
        command = found
    # Raises for an option or a value that it does not take.
    command.make_context("quartet", [word for word in rest if word != "--help"])


def test_the_table_of_checks_has_every_check_of_the_doctor() -> None:
    table = TEXT.partition("| check | finds | then |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE) == list(CHECKS)
    named = {word for call in CALLS if call[0] == "doctor" for word in call[1:]}
    assert named <= set(CHECKS)
    assert {"server", "logins", "connections", "statements"} <= named


@pytest.mark.parametrize(
    "command",
    [
        "db create",
        "db migrate",
        "db status",
        "db rollback",
        "db dev",
        "db reset",
        "db shell",
        "db connections",
        "db sizes",
        "db locks",
        "db slow",
        "backup full",
        "backup list",
        "backup status",
        "backup prune",
        "backup verify",
        "backup dump",
        "restore",
        "up",
        "ps",
        "logs",
        "down",
        "health",
        "doctor",
        "report",
        "provision",
    ],
)
def test_the_runbook_shows_what_the_command_answers(command: str) -> None:
    shown = re.findall(r"^\$ (?:[^`\n]*[ |;])?quartet (.*)$", TEXT, re.MULTILINE)
    assert any(f"{each} ".startswith(f"{command} ") for each in shown)
