"""A database password that was changed in the environment is rotated while all four services work."""

import asyncio
import os
import secrets
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest

from quartet.provision.plan import SERVICES
from quartet.settings import load_settings
from quartet.stack.password_files import write_password_files
from tests.ops.command import RunningStack, Workplace, wait_until, workplace
from tests.ops.places import runs_as_root
from tests.services.auth.auth_app import bearer, log_in, register
from tests.suite.stack import FIRST_PATHS

CLIENTS = 4
CALLS = 10
LULL_SECONDS = 1.0
"""Longer than a pool keeps idle connections here, so that each client's next call opens one."""


@dataclass
class Load:
    """Clients of a service's route, which call it in bursts."""

    url: str
    headers: dict[str, str]
    statuses: Counter[int] = field(default_factory=Counter)

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=30, headers=self.headers) as client:
            while True:
                await asyncio.gather(*(self._burst(client) for _ in range(CLIENTS)))
                await asyncio.sleep(LULL_SECONDS)

    async def _burst(self, client: httpx.AsyncClient) -> None:
        for _ in range(CALLS):
            self.statuses[(await client.get(self.url)).status_code] += 1


async def admin_of(place: Workplace, stack: RunningStack) -> "asyncpg.Connection[asyncpg.Record]":
    """The superuser."""
    password = (await asyncio.to_thread(place.call, "config", "get", "POSTGRES_PASSWORD")).stdout.strip()
    return await asyncpg.connect(
        host="127.0.0.1", port=stack.state["postgres"]["port"], user="postgres", password=password
    )


async def rotate(place: Workplace) -> None:
    """Change the password of every service by the environment."""
    told = {f"{service.upper()}_DB_PASSWORD": secrets.token_urlsafe(24) for service in SERVICES}
    done = await asyncio.to_thread(place.quartet, "provision", **told)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("_user: password rotated") == len(SERVICES)


async def until_all_connect_anew(admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Return once each service has opened a connection since the call."""
    since = await admin.fetchval("SELECT clock_timestamp()")
    roles = {f"{service}_user" for service in SERVICES}
    async with asyncio.timeout(60):
        while roles:
            statement = "SELECT usename FROM pg_stat_activity WHERE backend_start > $1"
            roles -= {row["usename"] for row in await admin.fetch(statement, since)}
            await asyncio.sleep(0.02)


@pytest.mark.long
@pytest.mark.database
async def test_passwords_are_rotated_under_load_without_a_5xx() -> None:
    told = {"DB_POOL_MIN": "0", "DB_POOL_IDLE_SECONDS": "0.1"}
    with workplace(**told) as place, place.up() as stack:
        async with httpx.AsyncClient(base_url=place.url("auth", "")) as auth:
            headers = bearer((await log_in(auth, await register(auth)))["access_token"])
        loads = [Load(place.url(service, FIRST_PATHS[service]), headers) for service in SERVICES]
        admin = await admin_of(place, stack)
        tasks = [asyncio.create_task(load.run()) for load in loads]
        for _ in range(2):
            await rotate(place)
            await until_all_connect_anew(admin)
        assert [task for task in tasks if task.done()] == []
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await admin.close()
        assert [set(load.statuses) for load in loads] == [{200}] * len(loads)
        assert {service["restarts"] for service in stack.state["services"].values()} == {0}
        # A process that starts afterwards has the new one too, though the stack was started with another.
        before = stack.state["services"]["payment"]["pid"]
        os.kill(before, signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: _is_ready_again(stack, before), seconds=30)


def _is_ready_again(stack: RunningStack, before: int) -> bool:
    service = stack.state["services"]["payment"]
    return service["pid"] not in (before, None) and service["state"] == "ready"


@pytest.mark.skipif(not runs_as_root(), reason="only root can write a file for another user")
def test_root_rotates_passwords_that_another_users_stack_can_read(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environ={"AUTH_DB_PASSWORD": "one", "L2P_DB_PASSWORD": "two"})
    settings.prepare_home()
    settings.home.passwords.mkdir()
    os.chown(settings.home.passwords, 12345, -1)
    write_password_files(settings)
    files = {file.name: (file.read_text(), file.stat()) for file in settings.home.passwords.iterdir()}
    assert {name: text for name, (text, _) in files.items()} == {"auth": "one", "l2p": "two"}
    assert {(status.st_uid, status.st_mode & 0o777) for _, status in files.values()} == {(12345, 0o600)}
