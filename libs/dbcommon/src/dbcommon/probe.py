"""The health probe: whether the database answers, and its migration. Concurrent callers share one query."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbcommon.connecting import connect
from dbcommon.dsn import DatabaseUrl
from dbcommon.shared_call import SharedCall

PROBE_SECONDS = 1.0
"""How long the database may take to answer, and how old a shared answer may be."""

WAIT_SLICE_SECONDS = 0.1
"""The probe waits in slices, and counts at most this much of each: if one took longer, the event loop was busy, and could
not have received an answer."""

LONGEST_WAIT_SECONDS = 1.3
"""The longest wait for a query, however little of it counts: health answers within 1.5 s."""

IDLE_SECONDS = 30.0
"""After so long without a query the probe's connection is closed."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The outcome. `error` is None when the database answered; `revision` is None when no migration was ever applied.

    `silent`: the database did not answer although the event loop was free to receive an answer. A process that got no
    processor time cannot tell.
    """

    at: float
    latency_ms: float | None = None
    server_version: str | None = None
    revision: str | None = None
    error: str | None = None
    silent: bool = False

    @property
    def answers(self) -> bool:
        """Whether the database answered in time."""
        return self.error is None


class Probe:
    """Asks over a connection outside of the pool, so that a busy pool does not look like a dead database."""

    def __init__(self, url: DatabaseUrl, *, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._connection: asyncpg.Connection[Any] | None = None
        self._shared_query = SharedCall(self._run_and_keep)
        self._last: ProbeResult | None = None

    async def ask(self) -> ProbeResult:
        """The latest result when it is under a second old, else a new one, shared by all concurrent callers."""
        if self._last is not None and time.monotonic() - self._last.at < PROBE_SECONDS:
            return self._last
        return await self._shared_query.ask()

    def close_when_idle(self) -> None:
        """Close the connection when it was unused for `IDLE_SECONDS`."""
        if self._last is not None and time.monotonic() - self._last.at > IDLE_SECONDS:
            self._drop()

    async def close(self) -> None:
        """Close the connection and cancel a running query."""
        await self._shared_query.close()
        self._drop()

    async def _run_and_keep(self) -> ProbeResult:
        self._last = await self._run()
        return self._last

    async def _run(self) -> ProbeResult:
        started = time.monotonic()
        query = asyncio.create_task(self._read_revision())
        try:
            waited = await _wait_for(query, since=started)
            if not query.done():
                error = f"no answer within {PROBE_SECONDS:g} s"
                return ProbeResult(at=started, error=error, silent=waited >= PROBE_SECONDS)
            revision = query.result()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self._drop()
            return ProbeResult(at=started, error=_describe(error))
        finally:
            if not query.done():
                self._drop()
                query.cancel()
        assert self._connection is not None  # noqa: S101 - _read_revision has just used it
        version = self._connection.get_server_version()
        return ProbeResult(
            at=started,
            latency_ms=round((time.monotonic() - started) * 1000, 2),
            # Since PostgreSQL 10 a version has two parts; the driver calls the second one micro.
            server_version=f"{version.major}.{version.micro}",
            revision=revision,
        )

    async def _read_revision(self) -> str | None:
        if self._connection is None or self._connection.is_closed():
            arguments = self._url.connect_arguments(application_name=self._application_name)
            arguments["timeout"] = 2 * LONGEST_WAIT_SECONDS  # `_wait_for` gives up before
            self._connection = await connect(self._url, arguments | {"statement_cache_size": 0})
        try:
            revision: str | None = await self._connection.fetchval("SELECT version_num FROM alembic_version")
        except asyncpg.UndefinedTableError:
            return None
        return revision

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _wait_for(query: "asyncio.Task[Any]", *, since: float) -> float:
    """Wait for the query, until `PROBE_SECONDS` count or `LONGEST_WAIT_SECONDS` are over; gives the seconds that count."""
    waited, now = 0.0, since
    while not query.done() and waited < PROBE_SECONDS and now - since < LONGEST_WAIT_SECONDS:
        before = now
        await asyncio.wait({query}, timeout=WAIT_SLICE_SECONDS)
        now = time.monotonic()
        waited += min(now - before, WAIT_SLICE_SECONDS)
    return waited


def _describe(error: Exception) -> str:
    # Responses of health are public, and the driver's message may contain the user's name and the host.
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return "the database refused the service's user name or password"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return "the database does not exist"
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return "the database has no connection left for this role"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "the database cannot be reached"
