"""The feed of ended sessions, cached, so that the number of clients does not load the database."""

import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta

from auth.revocations import repository
from auth.revocations.schemas import RevocationsAnswer
from auth.sessions.access_tokens import LIFETIME_SECONDS
from dbcommon.engine import Database
from dbcommon.shared_call import SharedCall

KEPT = timedelta(seconds=LIFETIME_SECONDS + 60)
"""For this long a session is in the feed. Its last token may have been signed just after it ended, by a clock that is ahead."""

FRESH_SECONDS = 0.5
"""For this long a response is reused, so that this public route costs at most two statements a second."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The body of the feed and its ETag."""

    body: bytes
    tag: str


class RevocationFeed:
    """Reads the feed; concurrent requests share one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._feed: Feed | None = None
        self._read_at = float("-inf")
        self._reading = SharedCall(self._read)

    async def read(self) -> Feed:
        """The feed, at most `FRESH_SECONDS` old. Raises what the database raises."""
        if self._feed is not None and time.monotonic() - self._read_at <= FRESH_SECONDS:
            return self._feed
        return await self._reading.ask()

    async def _read(self) -> Feed:
        started = time.monotonic()
        sessions = await repository.find_since(self._database, KEPT)
        body = RevocationsAnswer(sessions=list(sessions)).model_dump_json().encode()
        self._feed = Feed(body=body, tag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        self._read_at = started
        return self._feed
