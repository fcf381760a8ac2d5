"""What routes ask of the login."""

from typing import Annotated

from auth.login.password import PasswordCheck
from webcommon.app.state import component

PasswordCheckDep = Annotated[PasswordCheck, component(PasswordCheck)]
"""What passwords are checked with."""
