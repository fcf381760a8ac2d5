"""What Auth's routes ask for, beside what every service has."""

from typing import Annotated

from fastapi import Depends, Request

from auth.keys.service import Keyring
from auth.sessions.service import Tokens
from auth.settings import Settings
from webcommon.passwords import PasswordHasher


async def get_settings(request: Request) -> Settings:
    """The settings that the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


async def get_hasher(request: Request) -> PasswordHasher:
    """The application's one hasher, whose limit holds for all requests together."""
    hasher: PasswordHasher = request.app.state.hasher
    return hasher


async def get_keyring(request: Request) -> Keyring:
    """The signing keys."""
    keyring: Keyring = request.app.state.keyring
    return keyring


async def get_tokens(request: Request) -> Tokens:
    """What tokens are made with."""
    tokens: Tokens = request.app.state.tokens
    return tokens


SettingsDep = Annotated[Settings, Depends(get_settings)]
HasherDep = Annotated[PasswordHasher, Depends(get_hasher)]
KeyringDep = Annotated[Keyring, Depends(get_keyring)]
TokensDep = Annotated[Tokens, Depends(get_tokens)]
