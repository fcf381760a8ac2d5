"""The sessions that Auth has ended, polled: their tokens are refused without a call for each request.

While Auth cannot be reached a service uses the last list: the sessions on it stay refused. While Auth is down no session can be
ended; one that ends while only the network is broken is refused from the next poll that succeeds on.
"""

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import AsyncIterator
from uuid import UUID

import httpx

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.5
"""The time between two polls, plus or minus `_JITTER`; an ended session is to be refused everywhere within 5 s."""

FAILURES_BEFORE_A_WARNING = 4
"""Failures in a row before a warning, some six seconds."""

ACCESS_TOKEN_SECONDS = 15 * 60
"""How long Auth's access tokens last."""

LISTED_SECONDS = ACCESS_TOKEN_SECONDS + 60
"""How long Auth tells of an ended session: until no token of it is left."""

ANSWER_SECONDS = 1.5
"""The time limit of a whole answer."""

_JITTER = 0.2
_HEARD_SECONDS = 10.0
_MAXIMUM_BYTES = 32 * 1024 * 1024


class EndedSessions:
    """Ids of ended sessions, kept up to date while `running()`. Sends the ETag of the last answer, and mostly gets a 304."""

    def __init__(self, url: str, *, client: httpx.AsyncClient, poll_seconds: float = POLL_SECONDS) -> None:
        self._url = url
        self._client = client
        self._poll_seconds = poll_seconds
        self._ids: frozenset[UUID] = frozenset()
        self._tag: str | None = None
        self._is_unreachable = False
        self._failures = 0
        self._heard_at = float("-inf")

    @property
    def is_heard(self) -> bool:
        """Whether Auth has answered just now."""
        return time.monotonic() - self._heard_at < _HEARD_SECONDS

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ids

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll while the block runs. A failed poll does not end it."""
        poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poller

    async def ask(self) -> None:
        """Poll once. If the poll fails, the known ids stay."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._fetch()
        except Exception as error:
            self._note(unreachable=True, reason=type(error).__name__)
        else:
            self._heard_at = asked_at
            self._note(unreachable=False)

    async def _poll(self) -> None:
        while True:
            await self.ask()
            # Random pauses: replicas that start together would otherwise always poll together.
            await asyncio.sleep(self._poll_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    async def _fetch(self) -> None:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        async with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return
            response.raise_for_status()
            document = bytearray()
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > _MAXIMUM_BYTES:
                    raise ValueError("the document is too long")
        self._ids = frozenset(UUID(text) for text in json.loads(document)["sessions"])
        self._tag = response.headers.get("etag")

    def _note(self, *, unreachable: bool, reason: str = "") -> None:
        # Logged on change only, since there are forty polls a minute; and not before several failures, since Auth may start
        # a little later than this service.
        self._failures = self._failures + 1 if unreachable else 0
        if unreachable and self._failures < FAILURES_BEFORE_A_WARNING:
            return
        if unreachable and not self._is_unreachable:
            logger.warning(
                "ended sessions cannot be asked for at %s: %s; what is known holds", self._url, reason
            )
        elif self._is_unreachable and not unreachable:
            logger.info("ended sessions are told again")
        self._is_unreachable = unreachable
