"""What routes ask of the passkeys."""

from typing import Annotated

from auth.passkeys.service import Passkeys
from webcommon.app.state import component

PasskeysDep = Annotated[Passkeys, component(Passkeys)]
"""What passkeys are made and checked with."""
