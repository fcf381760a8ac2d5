"""A process's receivers of lobbies' logs: each log is read once a process, and passed to all of its receivers in order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from dbcommon.engine import Database
from dbcommon.errors import DatabaseError
from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.live import repository as personal_rows
from l2p.live.notices import ALL_LOBBIES, Notices
from l2p.log import repository
from l2p.log.events import PERSONAL, LoggedEvent

logger = logging.getLogger(__name__)

POLL_SCHEDULE = Schedule(seconds=0.5, retry_seconds=0.1)
"""How often the heads of the logs are read, since notices can be lost."""

POLL_SECONDS = 0.5
"""How long the database may take for it. Players are told of the second failure in a row: within two seconds."""

FAILURES_TO_TELL = 2

BATCH = 64
"""Events read in one statement: far fewer than may wait for a client, which would otherwise have no time to read."""
PAUSE_FOR_EACH = 0.0004
LONGEST_PAUSE = 0.2
"""A log is read again after so many seconds for each receiver, and after the longest pause at the latest."""


class Receiver(Protocol):
    """An open socket or event stream."""

    @property
    def user_id(self) -> UUID:
        """The user whose own rows it gets."""

    def deliver(self, events: Sequence[LoggedEvent]) -> None:
        """Take the next events of the log. It must return at once."""

    def interrupt(self) -> None:
        """The database does not answer, so that games stand still. It must return at once."""


@dataclass(eq=False)
class _Feed:
    """The log of one lobby at this process: `seq` is the last event that was passed on, `head` the newest one known."""

    lobby_id: UUID
    seq: int | None = None
    head: int = 0
    receivers: list[Receiver] = field(default_factory=list)
    is_reading: bool = False
    read_at: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds between two reads: what happens meanwhile goes to each receiver in one go."""
        return min(len(self.receivers) * PAUSE_FOR_EACH, LONGEST_PAUSE)


Watcher = Callable[[UUID | None], None]
"""Called with a lobby whose log grew or whose game got an answer, and with None when that may have been missed."""


class Hub:
    """Passes events to the receivers of this process, and tells other processes of this one's changes."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._database = database
        self._notices = notices
        self._feeds: dict[UUID, _Feed] = {}
        self._watchers: list[Watcher] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0

    @property
    def lobby_ids(self) -> list[UUID]:
        """The lobbies that have receivers here."""
        return list(self._feeds)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` of every change from now on."""
        self._watchers.append(watcher)

    def announce(self, lobby_id: UUID, seq: int) -> None:
        """A transaction of this process appended to the lobby's log up to `seq`, and has committed."""
        self._hear(lobby_id, seq)
        self._notices.send(lobby_id, seq)

    def announce_answers(self, lobby_id: UUID) -> None:
        """This process stored answers to the lobby's game; whoever drives it tells of them."""
        self.announce(lobby_id, 0)

    def call_for_drivers(self) -> None:
        """This process has handed its games over: another one is to drive them."""
        self._notices.send(ALL_LOBBIES, 0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Pass events on while the block runs."""
        async with (
            self._notices.running(self._hear),
            run_every(POLL_SCHEDULE, self._poll, name="the poll of lobbies' logs", expected=(TimeoutError,)),
        ):
            yield

    def add(self, lobby_id: UUID, receiver: Receiver) -> None:
        """Pass events of the lobby to a receiver from now on. Then read its state, and call `start`."""
        self._feeds.setdefault(lobby_id, _Feed(lobby_id)).receivers.append(receiver)

    def start(self, lobby_id: UUID, *, seq: int) -> None:
        """A receiver has the state at `seq`: a log that was not read here yet is read from there."""
        feed = self._feeds.get(lobby_id)
        if feed is not None and feed.seq is None:
            feed.seq = seq
            self._read_on(feed)

    def remove(self, lobby_id: UUID, receiver: Receiver) -> None:
        """Pass nothing more to the receiver."""
        feed = self._feeds.get(lobby_id)
        if feed is None or receiver not in feed.receivers:
            return
        feed.receivers.remove(receiver)
        if not feed.receivers:
            del self._feeds[lobby_id]

    def _hear(self, lobby_id: UUID | None, seq: int) -> None:
        for watcher in self._watchers:
            watcher(lobby_id)
        if lobby_id is not None and (feed := self._feeds.get(lobby_id)) is not None:
            feed.head = max(feed.head, seq)
            self._read_on(feed)

    async def _poll(self) -> None:
        if not self._feeds:
            return
        try:
            async with asyncio.timeout(POLL_SECONDS):
                heads = await repository.find_heads(self._database, self.lobby_ids)
        except (DatabaseError, TimeoutError):
            self._failures += 1
            if self._failures == FAILURES_TO_TELL:
                self._interrupt()
            raise
        self._failures = 0
        for lobby_id, seq in heads.items():
            if (feed := self._feeds.get(lobby_id)) is not None:
                feed.head = max(feed.head, seq)
                self._read_on(feed)

    def _interrupt(self) -> None:
        for feed in self._feeds.values():
            for receiver in feed.receivers:
                receiver.interrupt()

    def _read_on(self, feed: _Feed) -> None:
        if feed.is_reading or feed.seq is None or feed.head <= feed.seq:
            return
        feed.is_reading = True
        task = asyncio.create_task(self._read(feed), name=f"the log of lobby {feed.lobby_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, feed: _Feed) -> None:
        try:
            await asyncio.sleep(feed.read_at + feed.pause - time.monotonic())
            feed.read_at = time.monotonic()
            if feed.receivers and feed.seq is not None:
                await self._pass_on(feed, after=feed.seq)
        except DatabaseError:
            logger.debug("the log of lobby %s has to wait for the next poll", feed.lobby_id)
            return
        except Exception:
            logger.exception("reading the log of lobby %s failed; the next poll tries again", feed.lobby_id)
            return
        finally:
            feed.is_reading = False
        self._read_on(feed)

    async def _pass_on(self, feed: _Feed, *, after: int) -> None:
        events = await read_events(self._database, feed.lobby_id, after=after, receivers=feed.receivers)
        if not events:
            # The head was announced by a database that was restored since.
            feed.head = after
            return
        feed.seq = events[-1].seq
        feed.head = max(feed.head, feed.seq)
        for receiver in tuple(feed.receivers):
            receiver.deliver(events)


async def read_events(
    database: Database, lobby_id: UUID, *, after: int, receivers: Sequence[Receiver], limit: int = BATCH
) -> list[LoggedEvent]:
    """The next events of a log, with the rows of these receivers. Raises `DatabaseError`."""
    records = await repository.read_after(database, lobby_id, after=after, limit=limit)
    events = []
    for record in records:
        personal = {}
        if record["type"] in PERSONAL:
            users = {receiver.user_id for receiver in receivers}
            personal = await personal_rows.find_own_rows(
                database, event_type=record["type"], data=record["data"], user_ids=users
            )
        events.append(
            LoggedEvent(
                seq=record["seq"],
                type=record["type"],
                at=record["at"],
                data=record["data"],
                personal=personal,
            )
        )
    return events
