"""The sessions that Auth has ended, polled: their tokens are refused without a call for each request.

While Auth is away a service uses what it knows. That is enough: known sessions stay refused, and no session can be ended
while Auth is down.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator
from uuid import UUID

import httpx

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.5
"""The time between two polls, plus or minus `_JITTER`; an ended session is to be refused everywhere within 5 s."""

FAILURES_BEFORE_A_WARNING = 4
"""Failures in a row before a warning, some six seconds."""

ANSWER_SECONDS = 1.5
"""The time limit of a whole answer."""

_JITTER = 0.2
_MAXIMUM_BYTES = 32 * 1024 * 1024


class EndedSessions:
    """Ids of ended sessions, kept up to date while `running()`. Sends the ETag of the last answer, and mostly gets a 304."""

    def __init__(self, url: str, *, client: httpx.AsyncClient, poll_seconds: float = POLL_SECONDS) -> None:
        self._url = url
        self._client = client
        self._poll_seconds = poll_seconds
        self._ids: frozenset[UUID] = frozenset()
        self._tag: str | None = None
        self._away = False
        self._failures = 0

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ids

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll while the block runs. No answer, and no failure, ends it."""
        poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poller

    async def ask(self) -> None:
        """Poll once. Without a readable answer the known ids stay."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._fetch()
        # Whatever the fault, the known ids stay in use.
        except Exception as error:
            self._note(away=True, reason=type(error).__name__)
        else:
            self._note(away=False)

    async def _poll(self) -> None:
        while True:
            await self.ask()
            # Otherwise replicas that start together would always poll together.
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

    def _note(self, *, away: bool, reason: str = "") -> None:
        # Logged on change only: this polls forty times a minute. Services that start together find each other within a
        # few polls, which is not worth a line.
        self._failures = self._failures + 1 if away else 0
        if away and self._failures < FAILURES_BEFORE_A_WARNING:
            return
        if away and not self._away:
            logger.warning(
                "ended sessions cannot be asked for at %s: %s; what is known holds", self._url, reason
            )
        elif self._away and not away:
            logger.info("ended sessions are told again")
        self._away = away
