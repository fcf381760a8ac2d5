"""The signer and the codec of tokens, from the settings."""

from auth.keys.service import Keyring
from auth.sessions.access_tokens import AccessTokenSigner
from auth.sessions.beginning import Tokens
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.settings import Settings
from webcommon.keys import derive_key


def make_tokens(settings: Settings, *, keyring: Keyring) -> Tokens:
    """The signer of access tokens and the codec of refresh tokens."""
    return Tokens(
        access=AccessTokenSigner(keyring, issuer=settings.auth_issuer, audience=settings.auth_audience),
        refresh=RefreshTokenCodec(derive_key(settings.secret.get_secret_value(), "refresh tokens")),
    )
