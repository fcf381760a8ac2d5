"""The open sockets and event streams of this process: how many there may be, and which have to end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from dbcommon.jobs.periodic import run_every
from dbcommon.schedule import Schedule
from l2p.live.codes import INVALID_TOKEN, REPLACED
from l2p.live.errors import TooManySockets, TooManyUnauthenticated
from l2p.live.limits import RENEWAL_SECONDS, SocketLimits
from l2p.live.outbox import Outbox
from webcommon.auth.bearer import Caller, TokenVerifier

_CHECKS = Schedule(seconds=1.0)

_LATER = datetime.max.replace(tzinfo=UTC)


class Session(Protocol):
    """A socket or an event stream whose user is known."""

    lobby_id: UUID
    caller: Caller
    outbox: Outbox


class Admission:
    """The place of one socket."""

    def __init__(self, waiting: Counter[str], network: str) -> None:
        self._waiting = waiting
        self._network: str | None = network
        waiting[network] += 1

    def authenticated(self) -> None:
        """The user is known now, or will never be."""
        if self._network is not None:
            self._waiting[self._network] -= 1
            if not self._waiting[self._network]:
                del self._waiting[self._network]
            self._network = None


class Sessions:
    """Counts sockets and event streams, and ends those that may not go on."""

    def __init__(self, limits: SocketLimits | None = None) -> None:
        self.limits = limits or SocketLimits()
        self.count = 0
        self._waiting: Counter[str] = Counter()
        self._entered: dict[UUID, list[Session]] = {}
        """By lobby, as they came."""

    @contextmanager
    def admitted(self, network: str) -> Iterator[Admission]:
        """A place for a socket whose user is not known yet. Raises `TooManySockets`, `TooManyUnauthenticated`."""
        if self._waiting[network] >= self.limits.unauthenticated:
            raise TooManyUnauthenticated
        with self.place():
            admission = Admission(self._waiting, network)
            try:
                yield admission
            finally:
                admission.authenticated()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for an event stream, whose user is known. Raises `TooManySockets`."""
        if self.count >= self.limits.in_all:
            raise TooManySockets
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    @contextmanager
    def entered(self, session: Session) -> Iterator[None]:
        """The session's lobby has it. If its user has too many there at this process, the oldest one ends."""
        there = self._entered.setdefault(session.lobby_id, [])
        there.append(session)
        own = sorted((other for other in there if other.caller.id == session.caller.id), key=_find_opening)
        for other in own[: -self.limits.of_user]:
            other.outbox.end(REPLACED)
        try:
            yield
        finally:
            there.remove(session)
            if not there:
                del self._entered[session.lobby_id]

    def replace(self, lobby_id: UUID, user_id: UUID, opened_at: datetime) -> None:
        """End a session, if it is still there, whose user has too many on the lobby over all processes."""
        for session in self._entered.get(lobby_id, ()):
            if session.caller.id == user_id and session.outbox.opened_at == opened_at:
                session.outbox.end(REPLACED)

    def check(self, verifier: TokenVerifier) -> None:
        """End sessions whose token has expired or whose user has signed out, and those whose client does not read."""
        now = asyncio.get_running_loop().time()
        for session in [session for there in self._entered.values() for session in there]:
            session.outbox.end_if_stalled(now)
            if not verifier.trusts_still(session.caller, grace_seconds=RENEWAL_SECONDS):
                session.outbox.end(INVALID_TOKEN)

    @asynccontextmanager
    async def running(self, verifier: TokenVerifier) -> AsyncIterator[None]:
        """Check all sessions once a second while the block runs."""

        async def check() -> None:
            self.check(verifier)

        async with run_every(_CHECKS, check, name="the check of open sockets"):
            yield


def _find_opening(session: Session) -> datetime:
    # The same order over all processes. Who is not connected yet will be newer than all who are.
    return session.outbox.opened_at or _LATER
