"""The dependencies of routes besides the database: the caller as a player, and the application's objects."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection

from l2p.clock.clock import DatabaseClock
from l2p.guest_access.access import GuestAccess
from l2p.log.log import LobbyLog
from l2p.presence.presence import Presence
from l2p.settings import Settings
from l2p.tokens import TokenSigner
from l2p.turns import LobbyTurns
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.app.state import component
from webcommon.auth.bearer import Caller, CallerDep

ProvisionerDep = Annotated[UserProvisioner, component(UserProvisioner)]
"""Stores callers in `users`, and remembers which it has stored."""

HasherDep = Annotated[PasswordHasher, component(PasswordHasher)]
SignerDep = Annotated[TokenSigner, component(TokenSigner)]
"""The signer of this service's own tokens."""

LogDep = Annotated[LobbyLog, component(LobbyLog)]
"""Appends events to lobbies' logs."""

ClockDep = Annotated[DatabaseClock, component(DatabaseClock)]
"""The database's time, without asking it."""

TurnsDep = Annotated[LobbyTurns, component(LobbyTurns)]


async def take_turn(lobby_id: UUID, turns: TurnsDep) -> AsyncIterator[None]:
    """Wait for the lobby's turn before the route takes a connection. Raises `LobbyBusy`."""
    async with turns.turn(lobby_id):
        yield


LobbyTurn = Depends(take_turn, scope="function")
"""For routes that change a lobby which many may change at once."""

SettingsDep = Annotated[Settings, component(Settings)]


GuestAccessDep = Annotated[GuestAccess, component(GuestAccess)]
PresenceDep = Annotated[Presence, component(Presence)]


async def get_player(
    caller: CallerDep,
    provisioner: ProvisionerDep,
    presence: PresenceDep,
    guests: GuestAccessDep,
    connection: HTTPConnection,
) -> Caller:
    """The caller, stored in `users`. A call on a lobby or a game counts as a connection to it for a while.

    Raises `GuestNotAllowed`."""
    parameters = connection.path_params
    await guests.check(caller, parameters)
    await provisioner.ensure_user(caller)
    if identifier := parameters.get("lobby_id") or parameters.get("game_id"):
        with contextlib.suppress(ValueError):
            presence.touch(UUID(str(identifier)), caller.id)
    return caller


PlayerDep = Annotated[Caller, Depends(get_player)]
"""The caller, stored as a player; 401 without a valid access token."""
