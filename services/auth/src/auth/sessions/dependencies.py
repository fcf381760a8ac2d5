"""What routes ask of the sessions."""

from typing import Annotated

from auth.sessions.beginning import Tokens
from webcommon.app.state import component

TokensDep = Annotated[Tokens, component(Tokens)]
"""What tokens are made with."""
