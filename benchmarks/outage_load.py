"""The load of `outage.py`, and what it sees of Payment and of its database.

Reads a JSON object from standard input (`port`, `database`: its URL, `stripe`: the id of the process that is stopped,
`readers` and `payers`: their tokens, `well`: seconds before and after the outage, `seconds`: of all) and prints for each phase
the reads and their 99th percentile in milliseconds, the payments by status, the requests that found no connection of the
database, and the longest that a transaction was idle.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import asyncpg
import httpx
import uvloop

READ_PAUSE, PAY_PAUSE, LOOK_PAUSE = 0.05, 0.5, 0.1
URLS = {"success_url": "http://localhost:8000/thanks", "cancel_url": "http://localhost:8000/cart"}

IDLE = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8
    FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""
PRODUCT = """
    INSERT INTO products (id, sku, name, unit_price, currency)
    VALUES (gen_random_uuid(), 'tea', 'Tea', 12.50, 'eur')
"""


@dataclass
class Phase:
    """What was seen in a phase."""

    read_ms: list[float] = field(default_factory=list)
    payments: Counter[str] = field(default_factory=Counter)
    without_connection: int = 0
    idle_seconds: float = 0.0

    def shown(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "reads": len(self.read_ms),
            "p50_ms": round(statistics.median(self.read_ms), 1),
            "p99_ms": round(statistics.quantiles(self.read_ms, n=100)[98], 1),
            "payments": dict(self.payments),
            "without_connection": self.without_connection,
            "idle_seconds": round(self.idle_seconds, 3),
        }


class Load:
    """Readers and payers, until the deadline (of `time.monotonic`)."""

    def __init__(self, client: httpx.AsyncClient, *, deadline: float) -> None:
        self._client = client
        self._deadline = deadline
        self.phases = {"before": Phase()}
        self.phase = self.phases["before"]

    def begin(self, name: str) -> None:
        """From now on another phase is measured; an answer counts in the phase in which it comes."""
        self.phase = self.phases[name] = Phase()

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline

    async def read(self, token: str) -> None:
        """List orders, again and again."""
        while not self.is_over:
            start = time.perf_counter()
            answer = await self._client.get("/v1/orders", headers=_headers(token))
            self.phase.read_ms.append((time.perf_counter() - start) * 1000)
            self._note(answer)
            if answer.status_code != 200:
                raise RuntimeError(answer.text)
            await asyncio.sleep(READ_PAUSE)

    async def pay(self, token: str) -> None:
        """Begin the payment of an order on one way, then on the other."""
        headers = _headers(token)
        items = {"items": [{"sku": "tea", "quantity": 1}]}
        placed = await self._client.post(
            "/v1/orders", json=items, headers=headers | {"Idempotency-Key": "one"}
        )
        path = f"/v1/orders/{placed.json()['id']}"
        for way, body in cycle((("payment", None), ("checkout", URLS))):
            if self.is_over:
                return
            answer = await self._client.post(f"{path}/{way}", json=body, headers=headers)
            self.phase.payments[str(answer.status_code)] += 1
            self._note(answer)
            await asyncio.sleep(PAY_PAUSE)

    async def watch(self, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Look for transactions that are idle."""
        while not self.is_over:
            self.phase.idle_seconds = max(self.phase.idle_seconds, await database.fetchval(IDLE))
            await asyncio.sleep(LOOK_PAUSE)

    def _note(self, answer: httpx.Response) -> None:
        if answer.status_code == 503 and "stripe-unavailable" not in answer.text:
            self.phase.without_connection += 1


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def interrupt(load: Load, *, stripe: int, well: float, seconds: float) -> None:
    """Stop Stripe after a while, and let it go on a while before the end."""
    await asyncio.sleep(well)
    os.kill(stripe, signal.SIGSTOP)
    load.begin("away")
    try:
        await asyncio.sleep(seconds - 2 * well)
    finally:
        os.kill(stripe, signal.SIGCONT)
    load.begin("after")


async def drive(
    *,
    port: int,
    database: str,
    stripe: int,
    readers: list[str],
    payers: list[str],
    well: float,
    seconds: float,
) -> dict[str, dict[str, Any]]:
    """The three phases."""
    connection = await asyncpg.connect(database)
    await connection.execute(PRODUCT)
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, timeout=60, limits=limits, trust_env=False) as client:
        load = Load(client, deadline=time.monotonic() + seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(interrupt(load, stripe=stripe, well=well, seconds=seconds))
            group.create_task(load.watch(connection))
            for token in readers:
                group.create_task(load.read(token))
            for token in payers:
                group.create_task(load.pay(token))
    await connection.close()
    return {name: phase.shown() for name, phase in load.phases.items()}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(**json.load(sys.stdin)))))
