"""A table is dropped while all four services work: its database goes back to one second before, and nobody else notices."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from tests.ops.backup.archives import receiving, state_of
from tests.ops.command import Workplace, wait_until, workplace
from tests.services.auth.auth_app import bearer, log_in, register
from tests.suite.stack import FIRST_PATHS

pytestmark = [pytest.mark.long, pytest.mark.database]

PAUSE_SECONDS = 0.02


@dataclass
class Load:
    """A client that calls one route all the time: statuses, connections, and when it was refused, by the wall clock."""

    url: str
    headers: dict[str, str]
    statuses: Counter[int] = field(default_factory=Counter)
    connections: int = 0
    refused: list[float] = field(default_factory=list)
    created: dict[str, tuple[float, float]] = field(default_factory=dict)

    async def run(self, *, creates: bool = False) -> None:
        """Until cancelled. With `creates` a lobby each time: `created` has when it was asked for, and acknowledged."""
        async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=1)) as client:
            while True:
                asked = time.time()
                request = client.build_request(
                    "POST" if creates else "GET",
                    self.url,
                    headers=self.headers,
                    json={"name": "Friday quiz"} if creates else None,
                    extensions={"trace": self._trace},
                )
                answer = await client.send(request)
                self.statuses[answer.status_code] += 1
                if answer.status_code == 503:
                    self.refused.append(time.time())
                if answer.status_code == 201:
                    self.created[answer.json()["id"]] = (asked, time.time())
                await asyncio.sleep(PAUSE_SECONDS)

    def created_around(self, moment: float, *, until: float) -> tuple[set[str], set[str]]:
        """What was acknowledged before a moment; and what was asked for after it, and acknowledged until another."""
        before = {each for each, (_, acknowledged) in self.created.items() if acknowledged < moment}
        after = {
            each
            for each, (asked, acknowledged) in self.created.items()
            if asked > moment and acknowledged < until
        }
        return before, after

    async def _trace(self, event: str, _info: object) -> None:
        self.connections += event == "connection.connect_tcp.complete"


@contextlib.asynccontextmanager
async def running(loads: list[Load], writer: Load) -> AsyncIterator[None]:
    """All of them at work for the length of a block; none fails."""
    tasks = [asyncio.create_task(load.run(creates=load is writer)) for load in (*loads, writer)]
    yield
    assert [task for task in tasks if task.done()] == []
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def until_more(load: Load, status: int, *, count: int = 20) -> None:
    """Wait for so many more responses of a status."""
    enough = load.statuses[status] + count
    await asyncio.to_thread(wait_until, lambda: load.statuses[status] >= enough)


async def test_a_table_that_was_dropped_comes_back_and_the_others_do_not_notice() -> None:
    with workplace() as place, place.up(), receiving(place):
        async with httpx.AsyncClient(base_url=place.url("auth", "")) as auth:
            session, ended = [await log_in(auth, await register(auth)) for _ in range(2)]
            logout = await auth.post("/v1/auth/logout", json={"refresh_token": ended["refresh_token"]})
            assert logout.status_code == 204
        ours = bearer(session["access_token"])
        loads = {name: Load(place.url(name, path), ours) for name, path in FIRST_PATHS.items()}
        writer = Load(place.url("l2p", "/v1/lobbies"), ours)
        async with running(list(loads.values()), writer):
            await until_more(writer, 201)
            assert (await asyncio.to_thread(place.quartet, "backup", "full")).returncode == 0
            await until_more(writer, 201, count=100)
            dropped = await _drop_lobbies(place)
            at = dropped - timedelta(seconds=1)
            await until_more(loads["l2p"], 200)
            arguments = ("restore", "--service", "l2p", "--at", at.isoformat(), "--swap")
            restored = await asyncio.to_thread(place.quartet, *arguments)
            assert restored.returncode == 0, restored.stderr
            await until_more(writer, 201)
        async with httpx.AsyncClient() as client:
            refused = await client.get(
                place.url("l2p", "/v1/users/me"), headers=bearer(ended["access_token"])
            )
        there = await _lobbies(place)
        provisioned = await asyncio.to_thread(place.quartet, "provision")
    for service in ("auth", "payment", "videovault"):
        assert loads[service].statuses.keys() == {200}, service
        assert loads[service].connections == 1, service
    assert loads["l2p"].statuses.keys() <= {200, 503}
    assert max(loads["l2p"].refused, default=0) - min(loads["l2p"].refused, default=0) < 2
    kept, lost = writer.created_around(at.timestamp(), until=dropped.timestamp())
    assert len(kept) >= 100
    assert kept <= there
    assert lost
    assert not lost & there
    assert refused.status_code == 401
    assert provisioned.stdout == "roles, databases and schema are as planned\n"


async def _drop_lobbies(place: Workplace) -> datetime:
    """Drop the table once there were two more seconds of work; the time of that, which the archive covers."""
    connection = await _open(place)
    await connection.execute("SELECT pg_sleep(2)")
    dropped: datetime = await connection.fetchval("SELECT clock_timestamp()")
    await connection.execute("DROP TABLE lobbies CASCADE")
    await connection.close()
    await asyncio.to_thread(wait_until, lambda: state_of(place).periods[-1].covered_until >= dropped)
    return dropped.astimezone(UTC)


async def _lobbies(place: Workplace) -> set[str]:
    connection = await _open(place)
    found = {str(row["id"]) for row in await connection.fetch("SELECT id FROM lobbies")}
    await connection.close()
    return found


async def _open(place: Workplace) -> "asyncpg.Connection[asyncpg.Record]":
    url = (await asyncio.to_thread(place.quartet, "dsn", "l2p", "--role", "admin")).stdout.strip()
    return await asyncpg.connect(url)
