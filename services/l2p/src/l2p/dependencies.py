"""What routes ask for, beside the database: the caller as a player, and the application's own objects."""

from typing import Annotated

from fastapi import Depends

from dbcommon.session import DatabaseDep
from l2p.settings import Settings
from l2p.tokens import TokenSigner
from l2p.users.first_sight import FirstSight
from webcommon.bearer import Caller, CallerDep
from webcommon.passwords import PasswordHasher
from webcommon.state import kept_as

FirstSightDep = Annotated[FirstSight, kept_as("first_sight")]
"""What this process remembers of the callers it has stored."""

HasherDep = Annotated[PasswordHasher, kept_as("hasher")]
SignerDep = Annotated[TokenSigner, kept_as("signer")]
"""The signer of this service's own tokens."""

SettingsDep = Annotated[Settings, kept_as("settings")]


async def get_player(caller: CallerDep, first_sight: FirstSightDep, database: DatabaseDep) -> Caller:
    """The caller, who from here on has a row in `users`."""
    await first_sight.note(caller, database=database)
    return caller


PlayerDep = Annotated[Caller, Depends(get_player)]
"""The caller, stored as a player; 401 without a valid access token."""
