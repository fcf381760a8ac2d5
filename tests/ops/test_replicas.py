"""`QUARTET_REPLICAS=2 quartet up`: two processes a service behind one port, and what the suite promises of two."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartet.errors import WrongSettings
from quartet.provision.plan import SERVICES
from quartet.settings import load_settings
from quartet.stack.console import Console
from quartet.stack.logfile import LogFile
from quartet.stack.program import Declaration, Program, start_what_can
from tests.ops.command import RunningStack, Workplace, wait_until, workplace
from tests.suite.stack import FIRST_PATHS

PASSWORD = "correct horse battery staple"
NAMES = [f"{service}.{number}" for service in SERVICES for number in (1, 2)]
PROMISED_SECONDS = 5


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    """One state folder for the whole module."""
    with workplace(QUARTET_REPLICAS="2") as made:
        yield made


@pytest.fixture(scope="module")
def stack(place: Workplace) -> Iterator[RunningStack]:
    """One running stack of two processes a service."""
    with place.up() as running:
        yield running


def sign_in(place: Workplace, name: str) -> dict[str, Any]:
    """A new account's pair of tokens."""
    body = {"email": f"{name}@example.com", "username": name, "password": PASSWORD}
    answer = httpx.post(place.url("auth", "/v1/auth/register"), json=body, timeout=10)
    assert answer.status_code in (200, 201), answer.text
    login = {"login": name, "password": PASSWORD}
    found: dict[str, Any] = httpx.post(place.url("auth", "/v1/auth/login"), json=login, timeout=10).json()
    return found


def own_url(stack: RunningStack, name: str) -> str:
    """The URL on which this one process answers."""
    return str(stack.state["services"][name]["own_url"])


@pytest.mark.long  # a whole stack of two processes a service
@pytest.mark.database
class TestTwoProcesses:
    """On one stack."""

    def test_ps_and_logs_tell_each_process(self, stack: RunningStack, place: Workplace) -> None:
        shown = place.quartet_json("ps")["services"]
        assert list(shown) == NAMES
        assert {(each["state"], each["readiness"], each["restarts"]) for each in shown.values()} == {
            ("ready", "ready", 0)
        }
        assert len({each["pid"] for each in shown.values()}) == 8
        assert shown["auth.1"]["url"] == shown["auth.2"]["url"] == f"http://localhost:{place.ports['auth']}"
        assert "all four services are ready, 2 processes each" in stack.output
        of_both = place.quartet("logs", "auth").stdout
        assert {line.split()[0] for line in of_both.splitlines()} == {"auth.1", "auth.2"}
        of_one = place.quartet("logs", "auth.2").stdout
        assert {line.split()[0] for line in of_one.splitlines()} == {"auth.2"}

    async def test_fifty_refreshes_of_one_token_get_one_successor(
        self, stack: RunningStack, place: Workplace
    ) -> None:
        token = sign_in(place, "ada")["refresh_token"]
        urls = [own_url(stack, "auth.1"), own_url(stack, "auth.2")]
        async with httpx.AsyncClient(timeout=20) as client:
            responses = await asyncio.gather(
                *(
                    client.post(f"{urls[number % 2]}/v1/auth/refresh", json={"refresh_token": token})
                    for number in range(50)
                )
            )
        assert Counter(response.status_code for response in responses) == {200: 50}
        assert len({response.json()["refresh_token"] for response in responses}) == 1

    async def test_an_ended_session_is_refused_by_every_process_in_time(
        self, stack: RunningStack, place: Workplace
    ) -> None:
        pair = sign_in(place, "grace")
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        pages = [own_url(stack, name) + FIRST_PATHS[name.partition(".")[0]] for name in NAMES]
        async with httpx.AsyncClient(timeout=20, headers=headers) as client:
            assert [(await client.get(page)).status_code for page in pages] == [200] * 8
            body = {"refresh_token": pair["refresh_token"]}
            ended = await client.post(f"{own_url(stack, 'auth.2')}/v1/auth/logout", json=body)
            assert ended.status_code == 204
            beginning = time.monotonic()
            left = pages
            while left:
                left = [page for page in left if (await client.get(page)).status_code != 401]
                assert time.monotonic() - beginning < PROMISED_SECONDS, left

    def test_a_killed_process_is_started_again_and_no_request_is_refused(
        self, stack: RunningStack, place: Workplace
    ) -> None:
        before = stack.state["services"]["l2p.2"]["pid"]
        os.kill(before, signal.SIGSTOP)  # it accepts nothing from here on, so nothing is in flight on it
        assert httpx.get(f"{own_url(stack, 'l2p.1')}/readyz", timeout=5).status_code == 200
        os.kill(before, signal.SIGKILL)
        asked = 0
        while stack.state["services"]["l2p.2"]["restarts"] == 0 or asked < 50:
            assert httpx.get(place.url("l2p", "/livez"), timeout=10).status_code == 200
            asked += 1
        wait_until(lambda: stack.state["services"]["l2p.2"]["state"] == "ready")
        shown = place.quartet_json("ps")["services"]
        assert shown["l2p.2"]["pid"] != before
        assert {name: each["restarts"] for name, each in shown.items()} == dict.fromkeys(NAMES, 0) | {
            "l2p.2": 1
        }
        assert shown["l2p.2"]["readiness"] == "ready"


@pytest.mark.parametrize("replicas", ["0", "9", "two", "-1"])
def test_a_silly_number_of_processes_is_refused(tmp_path: Path, replicas: str) -> None:
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
        start_what_can(programs)
        assert [each.look(now=0) for each in programs] == [False, False, False]
        assert [each.state for each in programs] == ["needing", "starting", "starting"]
        flag.touch()
        assert programs[1].look(now=0)
        start_what_can(programs)
        assert programs[0].pid is None, "auth.2 is not ready yet"
        assert programs[2].look(now=0)
        start_what_can(programs)
        assert [each.state for each in programs] == ["starting", "ready", "ready"]
    finally:
        for each in programs:
            each.signal(signal.SIGKILL)
        wait_until(lambda: not any(each.pid for each in programs), seconds=10)
        for each in programs:
            each.finish()
