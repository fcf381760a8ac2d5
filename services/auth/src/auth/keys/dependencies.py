"""Dependencies on the signing keys."""

from typing import Annotated

from auth.keys.service import Keyring
from webcommon.app.state import component

KeyringDep = Annotated[Keyring, component(Keyring)]
"""The signing keys."""
