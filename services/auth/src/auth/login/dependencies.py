"""What routes ask of the login."""

from typing import Annotated

from auth.login.password import PasswordCheck
from webcommon.state import kept_as

PasswordCheckDep = Annotated[PasswordCheck, kept_as("password_check")]
"""What passwords are checked with."""
