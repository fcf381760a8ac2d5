"""What Auth's routes ask for, beside what every service has."""

from typing import Annotated

from auth.settings import Settings
from webcommon.passwords import PasswordHasher
from webcommon.state import kept_as

SettingsDep = Annotated[Settings, kept_as("settings")]

HasherDep = Annotated[PasswordHasher, kept_as("hasher")]
"""The application's one hasher, whose limit holds for all requests together."""
