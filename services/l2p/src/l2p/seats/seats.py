"""Takes seats in batches: five hundred players may join a lobby, and get ready, within seconds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from dbcommon.engine import Database
from l2p.log.log import LobbyLog
from l2p.seats import service
from l2p.seats.entrants import Entrant
from l2p.seats.service import Joined
from webcommon.api.problems import Problem
from webcommon.batches import Batches


class LobbySeats:
    """The requests of this process for seats; one transaction a lobby at a time."""

    def __init__(self, database: Database, log: LobbyLog) -> None:
        self._database = database
        self._log = log
        self._joining: Batches[UUID, Entrant, Joined] = Batches(self._join)
        self._ready: Batches[UUID, tuple[UUID, bool], None] = Batches(self._set_ready)

    async def join(self, lobby_id: UUID, entrant: Entrant) -> Joined:
        """Give an entrant a seat, unless they have one. Raises what `service.join_lobby` gives, and `IntegrityError` when the
        player's row has vanished."""
        return await self._joining.submit(lobby_id, entrant)

    async def set_ready(self, lobby_id: UUID, player_id: UUID, *, is_ready: bool) -> None:
        """Set whether a player is ready. Raises `NoSeat`."""
        await self._ready.submit(lobby_id, (player_id, is_ready))

    async def _join(
        self, lobby_id: UUID, entrants: list[Entrant]
    ) -> Sequence[Joined | Problem | IntegrityError]:
        try:
            async with self._database.transaction() as db:
                return await service.join_lobby(db, lobby_id, entrants, log=self._log)
        except IntegrityError as error:
            if len(entrants) == 1:
                return [error]
        # One player's row has vanished, which is no other's error.
        return [outcome for entrant in entrants for outcome in await self._join(lobby_id, [entrant])]

    async def _set_ready(self, lobby_id: UUID, wishes: list[tuple[UUID, bool]]) -> Sequence[Problem | None]:
        async with self._database.transaction() as db:
            return await service.set_ready(db, lobby_id, wishes, log=self._log)
