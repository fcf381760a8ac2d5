"""The dependencies of routes besides the database: the caller as a player, and the application's objects."""

from typing import Annotated

from fastapi import Depends

from l2p.log.log import LobbyLog
from l2p.settings import Settings
from l2p.tokens import TokenSigner
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

SettingsDep = Annotated[Settings, component(Settings)]


async def get_player(caller: CallerDep, provisioner: ProvisionerDep) -> Caller:
    """The caller, stored in `users`."""
    await provisioner.ensure_user(caller)
    return caller


PlayerDep = Annotated[Caller, Depends(get_player)]
"""The caller, stored as a player; 401 without a valid access token."""
