"""The sessions that Auth has ended lately, asked for every moment: an ended session's tokens are refused without a call a request.

While Auth is away a service goes on with what it knows, which is enough: what it was told of stays refused, and nobody
can end a session at an Auth that is not there.
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
"""Between two questions, give or take `_JITTER`; an ended session is to be refused everywhere within 5 s."""

FAILURES_BEFORE_A_WARNING = 4
"""In a row, some six seconds."""

ANSWER_SECONDS = 1.5
"""How long an answer may take as a whole."""

_JITTER = 0.2
_MAXIMUM_BYTES = 32 * 1024 * 1024


class EndedSessions:
    """Ids of ended sessions, kept up to date while `running()`. Asks `url` with the tag of the last answer, mostly to hear 304."""

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
        """Ask again and again while the block runs. Nothing that Auth answers, or fails to, ends it."""
        poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poller

    async def ask(self) -> None:
        """Ask once. What was known stays when there is no answer, or none that can be read."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._fetch()
        # Whatever is wrong over there, the tokens at hand are judged by what is known.
        except Exception as error:
            self._note(away=True, reason=type(error).__name__)
        else:
            self._note(away=False)

    async def _poll(self) -> None:
        while True:
            await self.ask()
            # Replicas that were started together would otherwise ask together for ever.
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
        # A line when it goes and one when it is back: this asks forty times a minute. Services that start together find
        # each other within a few questions, which is no news.
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
