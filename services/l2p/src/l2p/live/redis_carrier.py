"""Notices by the publish and subscribe of Redis or Valkey. Imported only where `REDIS_URL` is set: the client is large."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.live.notices import CHANNEL, Receive

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
"""How long the server may take to connect or to answer before the connection counts as lost."""

QUIET_SECONDS = 5.0
"""A connection that brought nothing for so long is checked."""

SUBSCRIPTION_SCHEDULE = Schedule(
    seconds=0, retry_seconds=0.1, retry_limit_seconds=2.0, jitter=0.2, at_once=True
)
"""The pauses between messages, and between attempts to reconnect."""


class RedisAway(Exception):
    """The server does not answer, or refuses."""


class RedisCarrier:
    """Carries notices by one subscribed connection, and one that publishes.

    Databases of a server share its channels: what another installation sends is of lobbies that nobody has here.
    """

    faults = (RedisAway,)

    def __init__(
        self, url: str, *, answer_seconds: float = ANSWER_SECONDS, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        self._answer_seconds = answer_seconds
        self._quiet_seconds = quiet_seconds
        self._client = Redis.from_url(
            url,
            socket_timeout=answer_seconds,
            socket_connect_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        place = self._client.connection_pool.connection_kwargs
        self._place = place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}"
        self._subscription: PubSub | None = None
        self._is_subscribed = False

    @asynccontextmanager
    async def receiving(self, receive: Receive) -> AsyncIterator[None]:
        """See `Carrier`."""

        async def take() -> None:
            try:
                self._take(await self._next_message(), receive)
            except (RedisError, OSError) as error:
                await self._unsubscribe()
                raise RedisAway(self._explain(error)) from error

        try:
            async with run_every(
                SUBSCRIPTION_SCHEDULE,
                take,
                name="the subscription to notices",
                expected=self.faults,
                failures_to_warn=1,
            ):
                yield
        finally:
            await self._unsubscribe()
            await self._client.aclose()

    async def publish(self, payloads: Sequence[str]) -> None:
        """See `Carrier`. Without a subscription nothing is sent: the server is away."""
        if not self._is_subscribed:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for payload in payloads:
                    pipeline.publish(CHANNEL, payload)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise RedisAway(self._explain(error)) from error

    def _take(self, message: dict[str, Any], receive: Receive) -> None:
        if message["type"] == "subscribe":
            self._is_subscribed = True
            logger.info("notices between processes go by Redis at %s", self._place)
            receive(None)
        elif message["type"] == "message":
            receive(message["data"])

    async def _next_message(self) -> dict[str, Any]:
        if self._subscription is None:
            self._subscription = self._client.pubsub()
            await self._subscription.subscribe(CHANNEL)
        message: dict[str, Any] | None = await self._subscription.get_message(timeout=self._quiet_seconds)
        if message is None:
            await self._subscription.ping()
            message = await self._subscription.get_message(timeout=self._answer_seconds)
        if message is None:
            raise TimeoutError(f"no answer within {self._answer_seconds:g} s")
        return message

    async def _unsubscribe(self) -> None:
        self._is_subscribed = False
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    def _explain(self, error: Exception) -> str:
        return (
            f"{self._place}: {str(error).rstrip('.')}. Meanwhile events are found by polling, up to a second later."
            " Is the server up, and is REDIS_URL right?"
        )
