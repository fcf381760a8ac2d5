"""Dependencies on the login."""

from typing import Annotated

from auth.login.password import PasswordCheck
from webcommon.app.state import component

PasswordCheckDep = Annotated[PasswordCheck, component(PasswordCheck)]
"""What the verification of passwords needs."""
