"""What the standard endpoints ask for, beside what Auth's routes do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from auth.oidc.id_tokens import IdTokenSigner
from auth.oidc.signed_forms import SignInForms
from auth.settings.clients import RegisteredClient
from webcommon.app.state import component


@dataclass(frozen=True, kw_only=True)
class StandardClients:
    """The registered clients, and what they are served with."""

    issuer: str
    registered: Mapping[str, RegisteredClient]
    forms: SignInForms
    with_google: bool
    with_passkeys: bool
    id_tokens: IdTokenSigner

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach this service by https only."""
        return self.issuer.startswith("https://")


StandardClientsDep = Annotated[StandardClients, component(StandardClients)]
