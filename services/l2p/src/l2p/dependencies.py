"""What routes ask for, beside the database: the caller as a player, and the application's own objects."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from dbcommon.session import DatabaseDep
from l2p.settings import Settings
from l2p.tokens import TokenSigner
from l2p.users.first_sight import FirstSight
from webcommon.bearer import Caller, CallerDep
from webcommon.paging import CursorCodec
from webcommon.passwords import PasswordHasher


async def get_first_sight(connection: HTTPConnection) -> FirstSight:
    """What this process remembers of the callers it has stored."""
    first_sight: FirstSight = connection.app.state.first_sight
    return first_sight


FirstSightDep = Annotated[FirstSight, Depends(get_first_sight)]


async def get_player(caller: CallerDep, first_sight: FirstSightDep, database: DatabaseDep) -> Caller:
    """The caller, who from here on has a row in `users`."""
    await first_sight.note(caller, database=database)
    return caller


PlayerDep = Annotated[Caller, Depends(get_player)]
"""The caller, stored as a player; 401 without a valid access token."""


async def get_cursors(connection: HTTPConnection) -> CursorCodec:
    """The writer and reader of this service's page cursors."""
    cursors: CursorCodec = connection.app.state.cursors
    return cursors


CursorsDep = Annotated[CursorCodec, Depends(get_cursors)]


async def get_hasher(connection: HTTPConnection) -> PasswordHasher:
    """The application's password hasher."""
    hasher: PasswordHasher = connection.app.state.hasher
    return hasher


HasherDep = Annotated[PasswordHasher, Depends(get_hasher)]


async def get_signer(connection: HTTPConnection) -> TokenSigner:
    """The signer of this service's own tokens."""
    signer: TokenSigner = connection.app.state.signer
    return signer


SignerDep = Annotated[TokenSigner, Depends(get_signer)]


async def get_settings(connection: HTTPConnection) -> Settings:
    """The service's settings."""
    settings: Settings = connection.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(get_settings)]
