"""A service as a process: what it says about wrong settings and addresses."""

import asyncio
import json
import socket

import pytest

from tests.libs.webcommon.tiny_process import START_SECONDS, environment, launch
from tests.processes import free_port

pytestmark = pytest.mark.long


async def refused(environ: dict[str, str]) -> tuple[int | None, list[str]]:
    """The exit status and the lines on stderr of a service that does not start."""
    process = await launch(environ)
    # Six of them start at once.
    async with asyncio.timeout(3 * START_SECONDS):
        output, errors = await process.communicate()
    assert output == b""
    return process.returncode, errors.decode().splitlines()


ADDRESSES = ["192.0.2.1", "no-such-host.invalid", "::2"]
WRONG = {
    "TINY_PORT": "http",
    "TINY_SECRET": "hunter2-canary",
    "TINY_KEY_FILE": "/nowhere/at-all",
    "TINY_DATABASE_URL": "postgresql://u:hunter2-canary@h:x/d",
    "TINY_CORS_ORIGINS": "*",
    "LOG_LEVEL": "loud",
}


Refusals = dict[str, tuple[int | None, list[str]]]


@pytest.fixture(scope="module")
async def refusals() -> Refusals:
    """How services end that cannot start, by the reason; all are started at once, since each takes a second."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environs = {
            "wrong": environment(1, **WRONG),
            "missing": environment(free_port(), TINY_SECRET=""),
            "taken": environment(taken.getsockname()[1]),
        } | {address: environment(free_port(), TINY_HOST=address) for address in ADDRESSES}
        ends = await asyncio.gather(*(refused(environ) for environ in environs.values()))
    return dict(zip(environs, ends, strict=True))


async def test_wrong_settings_are_a_line_each_and_status_2(refusals: Refusals) -> None:
    status, lines = refusals["wrong"]
    assert status == 2
    assert sorted(line.removeprefix("tiny: ").split(":")[0] for line in lines) == sorted(WRONG)
    assert "hunter2" not in "".join(lines)


async def test_a_missing_secret_is_one_line_that_says_what_to_do(refusals: Refusals) -> None:
    status, (line,) = refusals["missing"]
    assert status == 2
    assert line.startswith("tiny: TINY_SECRET is not set; ")


async def test_a_port_that_is_taken_is_one_line_and_status_3(refusals: Refusals) -> None:
    status, (line,) = refusals["taken"]
    assert status == 3
    assert " is taken; " in line
    assert "TINY_PORT" in line


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_cannot_be_bound_is_one_line_and_status_3(
    refusals: Refusals, address: str
) -> None:
    status, (line,) = refusals[address]
    assert status == 3
    assert address in line
    assert "TINY_HOST" in line


async def test_a_start_that_fails_is_no_success() -> None:
    process = await launch(environment(free_port(), TINY_FAIL_AT_START="true"))
    output, _ = await process.communicate()
    assert process.returncode not in (0, 2)
    assert "the start failed" in output.decode()
    assert all(json.loads(line) for line in output.decode().splitlines())
