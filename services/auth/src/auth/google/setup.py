"""Makes the parts of sign-in with Google from the settings."""

import httpx

from auth.google.provider import Provider
from auth.google.service import GoogleSignIn
from auth.google.state import AuthorizationStateCodec
from auth.google.token_vault import TokenVault
from auth.mail.outbox import Outbox
from auth.sessions.beginning import Tokens
from auth.settings import Settings
from auth.settings.google import GoogleSettings
from dbcommon.engine import Database
from webcommon.accounts.throttling.guard import Guard
from webcommon.keys import derive_key

CALLBACK_PATH = "/v1/oauth/google/callback"


def make_google(
    settings: Settings,
    *,
    database: Database,
    http: httpx.AsyncClient,
    tokens: Tokens,
    outbox: Outbox,
    guard: Guard,
) -> GoogleSignIn | None:
    """The parts of sign-in with Google; None when no client is configured."""
    if settings.google_client_id is None or settings.google_client_secret is None:
        return None
    secret = settings.secret.get_secret_value()
    return GoogleSignIn(
        database=database,
        provider=Provider(
            issuer=settings.google_issuer,
            client_id=settings.google_client_id,
            client_secret=settings.google_client_secret,
            http=http,
        ),
        states=AuthorizationStateCodec(derive_key(secret, "sign-ins with Google")),
        vault=make_token_vault(settings),
        codec=tokens.refresh,
        outbox=outbox,
        guard=guard,
        limit=settings.google_start_limit,
        callback_url=f"{settings.auth_issuer.rstrip('/')}{CALLBACK_PATH}",
        clients=settings.registered_clients,
    )


def make_token_vault(settings: GoogleSettings) -> TokenVault:
    """Encrypts Google's tokens."""
    return TokenVault(derive_key(settings.secret.get_secret_value(), "provider tokens"))
