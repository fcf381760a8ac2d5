"""What routes ask of the sessions."""

from typing import Annotated

from auth.sessions.beginning import Tokens
from webcommon.state import kept_as

TokensDep = Annotated[Tokens, kept_as("tokens")]
"""What tokens are made with."""
