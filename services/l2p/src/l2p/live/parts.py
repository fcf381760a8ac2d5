"""What all sockets and event streams of a process share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from dbcommon.engine import Database
from l2p.answers.batches import AnswerBatches
from l2p.clock.clock import DatabaseClock
from l2p.live.beginning import Beginning
from l2p.live.hub import Hub
from l2p.live.sessions import Session, Sessions
from l2p.presence.presence import Presence
from l2p.seats.seats import LobbySeats
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.auth.bearer import Caller

Chat = Callable[[Caller, UUID, str], Awaitable[None]]
"""Writes a player's message to a lobby. Raises `Problem` and `DatabaseError`."""


@dataclass(frozen=True, kw_only=True)
class LiveParts:
    """What all sockets and event streams of a process share."""

    database: Database
    clock: DatabaseClock
    hub: Hub
    presence: Presence
    batches: AnswerBatches
    provisioner: UserProvisioner
    seats: LobbySeats
    chat: Chat
    sessions: Sessions
    beginning: Beginning

    @asynccontextmanager
    async def following(self, session: Session) -> AsyncIterator[None]:
        """Events reach the session's outbox while the block runs. Its user counts as connected once it has begun."""
        lobby_id, outbox = session.lobby_id, session.outbox
        self.hub.add(lobby_id, outbox)
        try:
            with self.sessions.entered(session):
                yield
        finally:
            self.hub.remove(lobby_id, outbox)
            if outbox.opened_at is not None:
                self.presence.disconnected(lobby_id, outbox.user_id, opened_at=outbox.opened_at)
