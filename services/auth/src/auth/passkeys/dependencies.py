"""Dependencies on passkeys."""

from typing import Annotated

from auth.passkeys.service import Passkeys
from webcommon.app.state import component

PasskeysDep = Annotated[Passkeys, component(Passkeys)]
"""The relying party and the keys of challenges."""
