"""Dependencies on what an account has."""

from typing import Annotated

from webcommon.accounts.passwords import PasswordHasher
from webcommon.app.state import component

HasherDep = Annotated[PasswordHasher, component(PasswordHasher)]
"""The application's only hasher: its limit on parallel hashes counts all requests."""
