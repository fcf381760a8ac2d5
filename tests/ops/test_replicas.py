"""The range of `QUARTET_REPLICAS`, and when a program starts. tests/suite has the running processes."""

import signal
import sys
from pathlib import Path

import pytest

from quartet.errors import WrongSettings
from quartet.settings import load_settings
from quartet.stack.console import Console
from quartet.stack.logfile import LogFile
from quartet.stack.program import Declaration, Program, start_unblocked
from tests.ops.command import wait_until


@pytest.mark.parametrize("replicas", ["0", "9", "two", "-1"])
def test_a_number_of_processes_out_of_range_is_refused(tmp_path: Path, replicas: str) -> None:
    settings = load_settings(folder=tmp_path, environ={"QUARTET_REPLICAS": replicas})
    with pytest.raises(WrongSettings, match=r"QUARTET_REPLICAS=.*from 1 to 8"):
        _ = settings.replicas


def test_a_program_starts_once_what_it_needs_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "ready"
    console = Console(own_lines_only=True)

    def program(name: str, *needs: str) -> Program:
        declaration = Declaration(
            name=name,
            service=name.partition(".")[0],
            url="",
            command=[sys.executable, "-c", "import signal; signal.pause()"],
            environment={},
            is_ready=lambda _host, _port: flag.exists(),
            needs=needs,
        )
        return Program(declaration, console=console, log=LogFile(tmp_path / f"{name}.log"))

    programs = [program("mailer", "auth"), program("auth.1"), program("auth.2")]
    try:
        start_unblocked(programs)
        assert [each.poll(now=0) for each in programs] == [False, False, False]
        assert [each.state for each in programs] == ["blocked", "starting", "starting"]
        flag.touch()
        assert programs[1].poll(now=0)
        start_unblocked(programs)
        assert programs[0].pid is None, "auth.2 is not ready yet"
        assert programs[2].poll(now=0)
        start_unblocked(programs)
        assert [each.state for each in programs] == ["starting", "ready", "ready"]
    finally:
        for each in programs:
            each.signal(signal.SIGKILL)
        wait_until(lambda: not any(each.pid for each in programs), seconds=10)
        for each in programs:
            each.finish()
