"""Dependencies of Auth's routes, beside those of every service."""

from typing import Annotated

from auth.settings import Settings
from webcommon.accounts.passwords import PasswordHasher
from webcommon.app.state import component

SettingsDep = Annotated[Settings, component(Settings)]

HasherDep = Annotated[PasswordHasher, component(PasswordHasher)]
"""The application's only hasher: its limit on parallel hashes counts all requests."""
