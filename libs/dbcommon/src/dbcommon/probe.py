"""The health probe: does the database answer, and which migration is it at? One query for all who ask at once."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbcommon.dsn import DatabaseUrl
from dbcommon.shared_call import SharedCall

PROBE_SECONDS = 1.0
"""How long the database may take to answer, and how old a shared answer may be."""

LISTENING_SLICE = 0.1
"""Seconds. The wait is made of slices, and at most this much of each counts: in the rest the event loop was busy and
could not have received an answer."""

PATIENCE_SECONDS = 1.3
"""The longest a query is waited for, however little of the time counts; health answers within 1.5 s."""

IDLE_SECONDS = 30.0
"""After so long without a query the probe's connection is closed."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The outcome. `error` is None when the database answered; `revision` is None when no migration was ever applied.

    `silent` means that the database did not answer although the process waited all the time; a process starved of CPU
    receives nothing either, and does not count as evidence.
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
        self._question = SharedCall(self._ask_database)
        self._last: ProbeResult | None = None

    async def ask(self) -> ProbeResult:
        """The latest result when it is under a second old, else a new one, shared by all concurrent callers."""
        if self._last is not None and time.monotonic() - self._last.at < PROBE_SECONDS:
            return self._last
        return await self._question.ask()

    def close_when_idle(self) -> None:
        """Close the connection when it was unused for `IDLE_SECONDS`."""
        if self._last is not None and time.monotonic() - self._last.at > IDLE_SECONDS:
            self._drop()

    async def close(self) -> None:
        """Close the connection and cancel a running query."""
        await self._question.close()
        self._drop()

    async def _ask_database(self) -> ProbeResult:
        self._last = await self._ask_anew()
        return self._last

    async def _ask_anew(self) -> ProbeResult:
        started = time.monotonic()
        question = asyncio.create_task(self._read_revision())
        try:
            listened = await _listen_for(question, since=started)
            if not question.done():
                error = f"no answer within {PROBE_SECONDS:g} s"
                return ProbeResult(at=started, error=error, silent=listened >= PROBE_SECONDS)
            revision = question.result()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self._drop()
            return ProbeResult(at=started, error=_describe(error))
        finally:
            if not question.done():
                self._drop()
                question.cancel()
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
            arguments["timeout"] = 2 * PATIENCE_SECONDS  # nobody listens for so long
            self._connection = await asyncpg.connect(**arguments, statement_cache_size=0)
        try:
            revision: str | None = await self._connection.fetchval("SELECT version_num FROM alembic_version")
        except asyncpg.UndefinedTableError:
            return None
        return revision

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _listen_for(question: "asyncio.Task[Any]", *, since: float) -> float:
    """Wait for the answer, until enough time counts or patience is over; gives the seconds that count."""
    listened, now = 0.0, since
    while not question.done() and listened < PROBE_SECONDS and now - since < PATIENCE_SECONDS:
        before = now
        await asyncio.wait({question}, timeout=LISTENING_SLICE)
        now = time.monotonic()
        listened += min(now - before, LISTENING_SLICE)
    return listened


def _describe(error: Exception) -> str:
    # The driver's message may contain the user's name and the host (never the password), and health answers are public:
    # so only the kind of the fault is told.
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return "the database refused the service's user name or password"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return "the database does not exist"
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return "the database has no connection left for this role"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "the database cannot be reached"
