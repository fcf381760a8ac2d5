"""What routes ask of the signing keys."""

from typing import Annotated

from auth.keys.service import Keyring
from webcommon.state import kept_as

KeyringDep = Annotated[Keyring, kept_as("keyring")]
"""The signing keys."""
