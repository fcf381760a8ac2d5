"""What Auth's routes ask for, beside what every service has."""

from typing import Annotated

from auth.settings import Settings
from webcommon.accounts.passwords import PasswordHasher
from webcommon.app.state import component

SettingsDep = Annotated[Settings, component(Settings)]

HasherDep = Annotated[PasswordHasher, component(PasswordHasher)]
"""The application's one hasher, whose limit holds for all requests together."""
