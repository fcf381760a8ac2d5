"""Auth: accounts, sessions and the tokens that the other services accept."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from auth import __version__
from auth.accounts.routes import router as accounts_router
from auth.discovery.routes import router as discovery_router
from auth.keys.encryption import KeyVault
from auth.keys.service import Keyring
from auth.sessions.access_tokens import AccessTokenSigner
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.sessions.routes import router as sessions_router
from auth.sessions.service import Tokens
from auth.settings import Settings
from dbcommon.engine import Database
from webcommon.app import Service
from webcommon.bearer import Issuer
from webcommon.keys import derive_key
from webcommon.passwords import PasswordHasher


def create_app(settings: Settings | None = None, *, issuers: Sequence[Issuer] | None = None) -> Service:
    """The application. `issuers` replaces this service itself as the issuer whose tokens it accepts."""
    settings = settings or Settings.from_environment()
    if settings.database is None:
        raise ValueError("Auth needs a database: set AUTH_DATABASE_URL or AUTH_DB_PASSWORD")
    database = Database(settings.database, application_name=settings.service)
    secret = settings.secret.get_secret_value()
    keyring = Keyring(database, vault=KeyVault(derive_key(secret, "signing keys")))
    own = Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=keyring)
    app = Service(
        settings,
        version=__version__,
        title="Quartet Auth",
        description="Accounts, sessions, and the access tokens that every service of the suite accepts.",
        routers=[accounts_router, sessions_router, discovery_router],
        database=database,
        issuers=[own] if issuers is None else issuers,
        lifespan=_keep_keys,
    )
    app.state.hasher = PasswordHasher()
    app.state.keyring = keyring
    app.state.tokens = Tokens(
        access=AccessTokenSigner(keyring, issuer=settings.auth_issuer, audience=settings.auth_audience),
        refresh=RefreshTokenCodec(derive_key(secret, "refresh tokens")),
    )
    return app


def _keep_keys(app: Service) -> AbstractAsyncContextManager[None]:
    keyring: Keyring = app.state.keyring
    return keyring.running()
