"""A service's database: transactions, statements that run alone, and the task that maintains the pool."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import asyncpg
from sqlalchemy import Connection, Executable, Row, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

from dbcommon.connecting import connect
from dbcommon.driver_statements import DriverStatement
from dbcommon.errors import (
    CONNECTION_FAULTS,
    DatabaseBusy,
    DatabaseUnavailable,
    is_plan_outdated,
    translate,
)
from dbcommon.jobs.periodic import run_every
from dbcommon.listen import LISTENER_SCHEDULE, Listener
from dbcommon.pool import BoundedPool
from dbcommon.probe import Probe
from dbcommon.schedule import Schedule
from dbcommon.settings import DatabaseSettings

logger = logging.getLogger(__name__)

MAINTENANCE_SECONDS = 0.5
"""How often the maintenance task runs."""

SUSPECT_SECONDS = 0.5
"""The maintenance task probes the database when a request has held a connection for longer."""

TURN_WAITS = 5
"""A transaction waits so many times as long for others of its key as for a connection: 10 seconds by default, while PostgreSQL
lets one wait 5 seconds for a lock."""

Result = TypeVar("Result")

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@dataclass(frozen=True, kw_only=True)
class PoolStatus:
    """Counts of the pool: connections, and requests that wait for one."""

    min: int
    max: int
    size: int
    in_use: int
    idle: int
    waiting: int


class Database:
    """One service's database. `running()` opens the pool, maintains it, and closes it at the end.

    Writes go through `transaction()`, reads of one statement through `fetch_*`, which cost one round trip. Both raise
    `DatabaseUnavailable`, `PoolExhausted` or `DatabaseBusy` when the cause is the database. `server_settings` are
    parameters of PostgreSQL for the pool's connections.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        application_name: str,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._server_settings = server_settings or {}
        self._application_name = application_name
        self._held_since: dict[ConnectionPoolEntry, float] = {}
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._wake = asyncio.Event()
        self._is_unreachable = False
        self._connected = False
        """Whether a connection was made since the database was last unreachable."""
        self.engine = self._create_engine()
        self._reading = self.engine.sync_engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.probe = Probe(settings.url, application_name=f"{application_name}-health")
        self.listener = Listener(settings.url, application_name=f"{application_name}-listener")

    def _create_engine(self) -> AsyncEngine:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=BoundedPool,
            pool_size=self.settings.pool.max,
            max_overflow=0,
            pool_timeout=self.settings.pool.wait_seconds,
            pool_use_lifo=True,
            # An error's text, and so the log, would contain the parameters.
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "checkout", self._on_checkout)
        event.listen(engine.sync_engine, "checkin", self._on_checkin)
        return engine

    @property
    def pool(self) -> BoundedPool:
        """The engine's pool."""
        pool = self.engine.pool
        assert isinstance(pool, BoundedPool)  # noqa: S101 - set three lines above; tells the type checker
        return pool

    def pool_status(self) -> PoolStatus:
        """The counts of the pool. Costs no round trip."""
        pool, numbers = self.pool, self.settings.pool
        return PoolStatus(
            min=numbers.min,
            max=numbers.max,
            size=pool.open_connections,
            in_use=pool.in_use,
            idle=pool.checkedin(),
            waiting=pool.queue.waiting,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the pool, maintain it while the block runs, and close it. The block starts even if the database cannot be
        reached; the maintenance task keeps trying."""
        schedule = Schedule(seconds=MAINTENANCE_SECONDS, at_once=True)
        try:
            async with (
                run_every(
                    schedule, self._run_maintenance, name="the maintenance of the pool", wake=self._wake
                ),
                run_every(
                    LISTENER_SCHEDULE, self.listener.maintain, name="the listener", wake=self.listener.wake
                ),
            ):
                yield
        finally:
            self.listener.close()
            await self.probe.close()
            await self.pool.sweep(minimum=0, idle_seconds=0)
            await self.engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self, *, one_at_a_time: Hashable | None = None) -> AsyncIterator[AsyncSession]:
        """A session in a transaction: committed at the end of the block, rolled back by an exception.

        In this process transactions with an equal `one_at_a_time` follow each other. Those that lock the same row so wait
        for it without a connection; that nothing happens twice is up to PostgreSQL's lock alone.
        """
        async with self._turn(one_at_a_time):
            with self._with_deadline():
                async with self._sessions.begin() as db:
                    yield db

    @contextlib.asynccontextmanager
    async def _turn(self, key: Hashable | None) -> AsyncIterator[None]:
        if key is None:
            yield
            return
        # Gone with the last transaction that refers to it.
        lock = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_WAITS * self.settings.pool.wait_seconds):
                await lock.acquire()
        except TimeoutError:
            raise DatabaseBusy("too many transactions wait for each other") from None
        try:
            yield
        finally:
            lock.release()

    async def fetch_one(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Row[Any] | None:
        """The only row of one autocommitted statement, or None. More than one row raises `MultipleResultsFound`."""
        return await self._read(self._fetch_one, statement, parameters)

    async def fetch_all(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """All rows of one autocommitted statement."""
        return await self._read(self._fetch_all, statement, parameters)

    async def fetch_record(self, read: DriverStatement, **parameters: Any) -> "asyncpg.Record | None":
        """The first row of a driver statement, or None."""
        arguments = read.arguments(parameters)
        return await self._run_on_driver(lambda connection: connection.fetchrow(read.sql, *arguments))

    async def fetch_records(self, read: DriverStatement, **parameters: Any) -> "list[asyncpg.Record]":
        """All rows of a driver statement."""
        arguments = read.arguments(parameters)
        return await self._run_on_driver(lambda connection: connection.fetch(read.sql, *arguments))

    async def fetch_page(self, page: DriverStatement, **parameters: Any) -> "asyncpg.Record":
        """The one row of a page that `json_rows.prepare_page` prepared."""
        (row,) = await self.fetch_records(page, **parameters)
        return row

    async def _read(
        self,
        fetch: Callable[[Executable, Mapping[str, Any] | None], Result],
        statement: Executable,
        parameters: Mapping[str, Any] | None,
    ) -> Result:
        with self._with_deadline():
            try:
                return await greenlet_spawn(fetch, statement, parameters)
            except DBAPIError as error:
                if not is_plan_outdated(error):
                    raise
            # The server refused the statement before running it, and SQLAlchemy has dropped the plans of all connections.
            # The driver retries by itself (`_run_on_driver`).
            return await greenlet_spawn(fetch, statement, parameters)

    async def _run_on_driver(self, work: "Callable[[asyncpg.Connection[Any]], Awaitable[Result]]") -> Result:
        entry = self.pool.take_ready() or await self._take()
        connection = cast("asyncpg.Connection[Any]", entry.driver_connection)
        self._held_since[entry] = time.monotonic()
        try:
            return await work(connection)
        except BaseException as error:
            if not isinstance(error, asyncpg.PostgresError):
                # Cancelled or broken in mid-statement: a later statement would read the rest of this one's answer.
                connection.terminate()
            translated = translate(error)
            if translated is None:
                raise
            raise translated from error
        finally:
            del self._held_since[entry]
            self.pool.release(entry)

    async def _take(self) -> ConnectionPoolEntry:
        deadline = time.monotonic() + self.settings.pool.wait_seconds
        with self._with_deadline():
            ready = await self.pool.wait_ready(deadline)
            return await greenlet_spawn(self.pool.take, deadline) if ready is None else ready

    # These run in one greenlet for each read: SQLAlchemy's asyncio layer would start four, one for each await.
    def _fetch_one(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Row[Any] | None:
        with self._reading_connection() as connection:
            return connection.execute(statement, parameters).one_or_none()

    def _fetch_all(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[Row[Any]]:
        with self._reading_connection() as connection:
            return connection.execute(statement, parameters).all()

    def _reading_connection(self) -> Connection:
        return self._reading.connect()

    @contextlib.contextmanager
    def _with_deadline(self) -> Iterator[None]:
        """Set the deadline of connecting, and raise errors of the database as `DatabaseError`."""
        token = _deadline.set(time.monotonic() + self.settings.pool.wait_seconds)
        try:
            yield
        # Errors that do not come from the database are raised unchanged.
        except Exception as error:
            translated = translate(error)
            if translated is None or translated is error:
                raise
            raise translated from error
        finally:
            _deadline.reset(token)

    async def _connect(self) -> "asyncpg.Connection[Any]":
        # The deadline is the request's: waiting for a free connection and connecting share the pool's waiting time.
        deadline = _deadline.get()
        url = self.settings.url
        arguments = url.connect_arguments(application_name=self._application_name)
        arguments["server_settings"] |= self._server_settings
        timeout = arguments.pop("timeout", self.settings.pool.wait_seconds)
        if deadline is not None:
            timeout = max(0.05, min(timeout, deadline - time.monotonic()))
        try:
            # However long a statement, it is prepared once: asyncpg alone would keep none of more than 15 KB.
            connection = await connect(
                url, arguments | {"timeout": timeout, "max_cacheable_statement_size": 0}
            )
        except CONNECTION_FAULTS as error:
            raise DatabaseUnavailable(f"cannot connect to {url}: {error or type(error).__name__}") from error
        connection.add_termination_listener(lambda _connection: self._wake.set())
        self._connected = True
        return connection

    def _on_checkout(self, dbapi_connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        # The driver knows when its socket broke; a ping (SQLAlchemy's pre-ping) costs a round trip a request.
        if dbapi_connection.driver_connection.is_closed():
            raise DisconnectionError
        self._held_since[entry] = time.monotonic()

    def _on_checkin(self, _dbapi_connection: Any, entry: ConnectionPoolEntry) -> None:
        self._held_since.pop(entry, None)

    async def _run_maintenance(self) -> None:
        try:
            await self._maintain()
        except DatabaseUnavailable as error:
            self._note(unreachable=True, reason=str(error))
        else:
            # `fill` does nothing while requests are connecting, and none of them may have succeeded yet.
            if self._connected:
                self._note(unreachable=False)

    def _note(self, *, unreachable: bool, reason: str = "") -> None:
        # Logged on change only: maintenance runs twice a second.
        if unreachable and not self._is_unreachable:
            self._connected = False
            logger.warning("the database is unreachable: %s", reason)
        elif self._is_unreachable and not unreachable:
            logger.info("the database is back")
        self._is_unreachable = unreachable

    async def _maintain(self) -> None:
        numbers = self.settings.pool
        await self._release_stuck()
        await self.pool.sweep(minimum=numbers.min, idle_seconds=numbers.idle_seconds)
        await self.pool.fill(minimum=numbers.min)
        self.probe.close_when_idle()

    async def _release_stuck(self) -> None:
        """Close connections whose statement takes long, if the probe gets no answer either: the database accepts packets, but
        does not answer.

        The server's time-outs do not end such a wait, and a client-side limit would also end long statements that work.
        """
        before = time.monotonic() - SUSPECT_SECONDS
        suspects = [entry for entry, since in self._held_since.items() if since < before]
        if not suspects or not (await self.probe.ask()).silent:
            return
        for entry in suspects:
            if entry in self._held_since and entry.driver_connection is not None:
                entry.driver_connection.terminate()
