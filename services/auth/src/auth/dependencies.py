"""What Auth's routes ask for, beside what every service has."""

from typing import Annotated

from auth.keys.service import Keyring
from auth.second_factors.codes import SecondFactors
from auth.sessions.beginning import Tokens
from auth.sessions.password_login import PasswordCheck
from auth.settings import Settings
from webcommon.passwords import PasswordHasher
from webcommon.state import kept_as

SettingsDep = Annotated[Settings, kept_as("settings")]

HasherDep = Annotated[PasswordHasher, kept_as("hasher")]
"""The application's one hasher, whose limit holds for all requests together."""

KeyringDep = Annotated[Keyring, kept_as("keyring")]
"""The signing keys."""

TokensDep = Annotated[Tokens, kept_as("tokens")]
"""What tokens are made with."""

PasswordCheckDep = Annotated[PasswordCheck, kept_as("password_check")]
"""What passwords are checked with."""

SecondFactorsDep = Annotated[SecondFactors, kept_as("second_factors")]
"""What second factors are made and checked with."""
