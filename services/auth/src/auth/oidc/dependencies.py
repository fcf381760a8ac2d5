"""Dependencies of the OpenID Connect routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from auth.oidc.id_tokens import IdTokenSigner
from auth.oidc.signed_forms import SignInForms
from auth.settings.clients import RegisteredClient
from webcommon.app.state import component


@dataclass(frozen=True, kw_only=True)
class StandardClients:
    """The registered clients, and the parts that serve them."""

    issuer: str
    registered: Mapping[str, RegisteredClient]
    forms: SignInForms
    with_google: bool
    with_passkeys: bool
    id_tokens: IdTokenSigner

    @property
    def is_secure(self) -> bool:
        """Whether browsers use https for this service."""
        return self.issuer.startswith("https://")


StandardClientsDep = Annotated[StandardClients, component(StandardClients)]
