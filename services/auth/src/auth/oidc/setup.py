"""Makes the parts of OpenID Connect from the settings."""

from auth.keys.service import Keyring
from auth.oidc.dependencies import StandardClients
from auth.oidc.id_tokens import IdTokenSigner
from auth.oidc.signed_forms import SignInForms
from auth.settings import Settings
from webcommon.keys import derive_key


def make_standard_clients(settings: Settings, *, keyring: Keyring, with_google: bool) -> StandardClients:
    """The registered clients, and the parts that serve them."""
    return StandardClients(
        issuer=settings.auth_issuer,
        registered=settings.registered_clients,
        forms=SignInForms(derive_key(settings.secret.get_secret_value(), "sign-in forms")),
        with_google=with_google,
        with_passkeys=settings.has_passkeys_on_sign_in_page,
        id_tokens=IdTokenSigner(keyring, issuer=settings.auth_issuer),
    )
