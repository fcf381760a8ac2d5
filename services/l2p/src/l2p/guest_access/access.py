"""The check of guests: everybody else passes it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from l2p.guest_access import repository
from l2p.guest_access.errors import GuestNotAllowed
from l2p.tokens import GUEST_SCOPE
from webcommon.auth.bearer import Caller

REMEMBERED = 10_000
"""Games whose lobby is cached; it never changes. The oldest goes first."""


def find_guest_lobby(caller: Caller) -> UUID | None:
    """The one lobby of a guest; None for everybody else."""
    for scope in caller.scope.split():
        if scope.startswith(GUEST_SCOPE):
            return UUID(scope.removeprefix(GUEST_SCOPE))
    return None


class GuestAccess:
    """Lets guests through to their lobby and its games."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lobbies: dict[UUID, UUID] = {}

    async def check(self, caller: Caller, path: Mapping[str, Any]) -> None:
        """Check the parameters of a path. Raises `GuestNotAllowed`."""
        own = find_guest_lobby(caller)
        if own is None:
            return
        try:
            if "lobby_id" in path:
                lobby_id: UUID | None = UUID(str(path["lobby_id"]))
            else:
                lobby_id = await self._find_lobby_of(UUID(str(path["game_id"])))
        except (KeyError, ValueError):
            raise GuestNotAllowed from None
        if lobby_id != own:
            raise GuestNotAllowed

    async def _find_lobby_of(self, game_id: UUID) -> UUID | None:
        known = self._lobbies.get(game_id)
        if known is not None:
            return known
        lobby_id = await repository.find_lobby_of(self._database, game_id)
        if lobby_id is not None:
            if len(self._lobbies) >= REMEMBERED:
                del self._lobbies[next(iter(self._lobbies))]
            self._lobbies[game_id] = lobby_id
        return lobby_id
