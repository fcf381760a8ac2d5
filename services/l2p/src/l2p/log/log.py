"""Appending to a lobby's log, and announcing it after the commit."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from l2p.log import repository
from l2p.log.events import NewEvent

Announce = Callable[[UUID, int], None]
"""Called after a commit with a lobby and the `seq` of its newest event. It must return at once."""


class LobbyLog:
    """Appends events in the transaction of the change that they tell of."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce

    async def append(self, db: AsyncSession, lobby_id: UUID, *events: NewEvent) -> None:
        """Write events, and announce them when the transaction has committed. Locks the lobby until then."""
        if not events:
            return
        seq = await repository.append(db, lobby_id, events)

        def announce(_session: object) -> None:
            self._announce(lobby_id, seq)

        event.listen(db.sync_session, "after_commit", announce, once=True)
