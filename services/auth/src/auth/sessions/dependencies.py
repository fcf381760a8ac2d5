"""Dependencies on sessions."""

from typing import Annotated

from auth.sessions.beginning import Tokens
from webcommon.app.state import component

TokensDep = Annotated[Tokens, component(Tokens)]
"""The signer of access tokens and the codec of refresh tokens."""
