"""LISTEN and NOTIFY: one connection a process, which notifies subscribers of changes to a table.

A notification is not durable: one sent while the connection is lost never arrives. So it only supplements reading the
table, and after every (re)connect each subscriber is told to read its table again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.connecting import connect
from dbcommon.dsn import DatabaseUrl
from dbcommon.errors import CONNECTION_FAULTS, DatabaseUnavailable
from dbcommon.schedule import Schedule

logger = logging.getLogger(__name__)

PAYLOAD_LIMIT = 7999
"""Bytes of a payload (NOTIFY: "must be specified as … shorter than 8000 bytes")."""

CHANNEL_LIMIT = 63
"""Bytes of a channel's name. LISTEN would cut a longer one short, and NOTIFY refuse it."""

ANSWER_SECONDS = 2.0
"""How long the server may take to connect or to answer before the connection counts as lost."""

LISTENER_SCHEDULE = Schedule(seconds=5.0, retry_seconds=0.1, retry_limit_seconds=5.0, jitter=0.2)
"""How often the connection is checked, and the pauses between attempts to reconnect."""

_NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"

Subscriber = Callable[[str | None], None]
"""Called with each payload, and with None when the subscriber has to read its table again. It must return at once."""


@dataclass(eq=False)
class _Subscription:
    channel: str
    tell: Subscriber
    is_current: bool = False
    """Whether it has been told to read its table since the connection listens."""


class Listener:
    """Listens on a connection outside of the pool, for as long as there are subscribers.

    `maintain` is to be repeated by `LISTENER_SCHEDULE`, and at once when `wake` is set.
    """

    def __init__(self, url: DatabaseUrl, *, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self._connection: asyncpg.Connection[Any] | None = None
        self._channels: set[str] = set()
        self._subscriptions: list[_Subscription] = []
        self._turn = asyncio.Lock()
        """The driver runs one statement of a connection at a time."""
        self.wake = asyncio.Event()

    @contextlib.contextmanager
    def subscribed(self, channel: str, tell: Subscriber) -> Iterator[None]:
        """Pass the channel's notifications to the subscriber while the block runs. The first call is None, for a new
        connection. Raises `ValueError` for an invalid channel name."""
        _check(channel, name="channel", least=1, most=CHANNEL_LIMIT)
        subscription = _Subscription(channel, tell)
        self._subscriptions.append(subscription)
        self.wake.set()
        try:
            yield
        finally:
            self._subscriptions.remove(subscription)
            self.wake.set()

    async def maintain(self) -> None:
        """Open, check or close the connection, and update its channels. Raises `DatabaseUnavailable`."""
        if not self._subscriptions:
            self.close()
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                connection = await self._connect()
                await self._listen(connection)
        except CONNECTION_FAULTS as error:
            self.close()
            raise DatabaseUnavailable(f"cannot listen on {self._url}") from error
        for subscription in tuple(self._subscriptions):
            if subscription.channel in self._channels and not subscription.is_current:
                subscription.is_current = True
                _tell(subscription, None)

    async def notify(self, channel: str, payloads: Sequence[str]) -> None:
        """Notify the channel's subscribers in all processes, outside of any transaction, over this connection.

        For changes that are committed already: a transaction that notifies holds a lock of the whole server while it
        commits. Raises `DatabaseUnavailable` when the connection is lost; subscribers find the changes in the table.
        """
        connection = self._connection
        if connection is None:
            raise DatabaseUnavailable(f"the listener on {self._url} is not connected")
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                await connection.execute(_NOTIFY, channel, payloads)
        except CONNECTION_FAULTS as error:
            self.close()
            raise DatabaseUnavailable(f"cannot notify on {self._url}") from error

    def close(self) -> None:
        """Close the connection. Subscribers stay, and the next `maintain` serves them again."""
        if self._connection is not None:
            self._connection.terminate()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        if self._connection is not None:
            # Only an answer shows that the server is not silent.
            await self._connection.execute("SELECT 1")
            return self._connection
        arguments = self._url.connect_arguments(application_name=self._application_name)
        connection = await connect(
            self._url, {"timeout": ANSWER_SECONDS, **arguments, "statement_cache_size": 0}
        )
        self._connection = connection
        connection.add_termination_listener(self._forget)
        # A notification that is lost in a crash is no worse than one that is lost with a connection.
        await connection.execute("SET synchronous_commit = off")
        return connection

    async def _listen(self, connection: "asyncpg.Connection[Any]") -> None:
        wanted = {subscription.channel for subscription in self._subscriptions}
        for channel in wanted - self._channels:
            await connection.add_listener(channel, self._receive)
            self._channels.add(channel)
        for channel in self._channels - wanted:
            self._channels.discard(channel)
            await connection.remove_listener(channel, self._receive)

    def _forget(self, connection: Any) -> None:
        # The driver calls it late, possibly after a reconnect.
        if connection is self._connection:
            self._connection = None
            self._channels = set()
            for subscription in self._subscriptions:
                subscription.is_current = False
            self.wake.set()

    def _receive(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        for subscription in tuple(self._subscriptions):
            # A subscriber that is not current will read its table anyway.
            if subscription.channel == channel and subscription.is_current:
                _tell(subscription, str(payload))


def _tell(subscription: _Subscription, payload: str | None) -> None:
    try:
        subscription.tell(payload)
    # A failing subscriber must not cost the others their notification.
    except Exception:
        logger.exception("a subscriber of %s failed", subscription.channel)


async def notify(db: AsyncSession, channel: str, payload: str = "") -> None:
    """Notify the subscribers of a channel, in all processes, when the transaction commits.

    Equal payloads of one transaction arrive once. Commits that notify wait for each other, so keep it off the hottest
    writes. Raises `ValueError` for a payload above `PAYLOAD_LIMIT` bytes.
    """
    _check(channel, name="channel", least=1, most=CHANNEL_LIMIT)
    _check(payload, name="payload", least=0, most=PAYLOAD_LIMIT)
    await db.execute(select(func.pg_notify(channel, payload)))


def _check(text: str, *, name: str, least: int, most: int) -> None:
    size = len(text.encode())
    if not least <= size <= most:
        raise ValueError(f"the {name} has {size} bytes; it may have {least} to {most}")
