"""Auth: accounts, sessions and the tokens that the other services accept."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from auth import __version__
from auth.accounts.history_routes import router as own_history_router
from auth.accounts.routes import router as accounts_router
from auth.admin.routes import router as admin_router
from auth.email_links.pages import router as email_pages_router
from auth.email_links.routes import router as email_links_router
from auth.google.linked_account_routes import router as linked_accounts_router
from auth.google.page_routes import router as google_pages_router
from auth.google.routes import router as google_router
from auth.google.setup import CALLBACK_PATH, make_google
from auth.keys.encryption import KeyVault
from auth.keys.service import Keyring, Rotation
from auth.login.password import PasswordCheck
from auth.login.routes import router as login_router
from auth.login.second_factor_routes import router as finishing_router
from auth.mail.routes import router as development_mails_router
from auth.mail.setup import make_outbox, make_worker
from auth.oidc.authorize_routes import router as authorize_router
from auth.oidc.dependencies import StandardClients
from auth.oidc.discovery_routes import router as discovery_router
from auth.oidc.id_tokens import IdTokenSigner
from auth.oidc.sign_in_routes import router as sign_in_pages_router
from auth.oidc.signed_forms import SignInForms
from auth.oidc.token_routes import router as standard_clients_router
from auth.passkeys.challenges import ChallengeCodec
from auth.passkeys.routes import router as passkeys_router
from auth.passkeys.service import Passkeys
from auth.passkeys.verification import RelyingParty
from auth.passwords.routes import router as passwords_router
from auth.revocations.routes import router as revocations_router
from auth.revocations.service import RevocationFeed
from auth.second_factors.codes import SecondFactors
from auth.second_factors.recovery_codes import RecoveryCodeHasher
from auth.second_factors.routes import router as second_factors_router
from auth.sessions.access_tokens import AccessTokenSigner
from auth.sessions.beginning import Tokens
from auth.sessions.management_routes import router as own_sessions_router
from auth.sessions.refresh_tokens import RefreshTokenCodec
from auth.sessions.routes import router as sessions_router
from auth.settings import Settings
from auth.worker import Sweeper
from dbcommon.engine import Database
from webcommon.app import Service
from webcommon.bearer import Issuer
from webcommon.keys import derive_key
from webcommon.passwords import PasswordHasher
from webcommon.throttling.guard import Guard
from webcommon.throttling.throttle import sweeping

GET_ONLY = frozenset({"/v1/oauth/google/authorize", CALLBACK_PATH, "/oauth2/authorize"})
"""Steps of a sign-in, which whoever looks at a link by HEAD does not take: each counts, is used up, or sets a cookie."""


def create_app(
    settings: Settings | None = None,
    *,
    issuers: Sequence[Issuer] | None = None,
    hasher: PasswordHasher | None = None,
) -> Service:
    """The application. `issuers` replaces this service itself as the issuer whose tokens it accepts, `hasher` the one of
    the recommended costs."""
    settings = settings or Settings.from_environment()
    if settings.database is None:
        raise ValueError("Auth needs a database: set AUTH_DATABASE_URL or AUTH_DB_PASSWORD")
    database = Database(settings.database, application_name=settings.service)
    secret = settings.secret.get_secret_value()
    keyring = Keyring(
        database,
        vault=KeyVault(derive_key(secret, "signing keys")),
        rotation=Rotation(days=settings.key_rotation_days, publish_seconds=settings.key_publish_seconds),
    )
    own = Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=keyring)
    app = Service(
        settings,
        version=__version__,
        title="Quartet Auth",
        description="Accounts, sessions, and the access tokens that every service of the suite accepts.",
        routers=[
            accounts_router,
            login_router,
            sessions_router,
            own_sessions_router,
            finishing_router,
            second_factors_router,
            passkeys_router,
            passwords_router,
            own_history_router,
            admin_router,
            revocations_router,
            email_links_router,
            email_pages_router,
            discovery_router,
            authorize_router,
            sign_in_pages_router,
            standard_clients_router,
            google_router,
            google_pages_router,
            linked_accounts_router,
            *([development_mails_router] if settings.smtp_host is None else []),
        ],
        database=database,
        issuers=[own] if issuers is None else issuers,
        lifespan=_run_background,
        get_only=GET_ONLY,
    )
    app.state.guard = Guard(settings, database=database, url=settings.auth_issuer)
    app.state.hasher = hasher or PasswordHasher()
    app.state.password_check = PasswordCheck(
        database=database,
        hasher=app.state.hasher,
        guard=app.state.guard,
        require_verified_email=settings.require_verified_email,
        withholds_taken_email=settings.withholds_taken_email,
    )
    app.state.second_factors = SecondFactors(
        vault=KeyVault(derive_key(secret, "second factors")),
        recovery_codes=RecoveryCodeHasher(derive_key(secret, "recovery codes")),
        name=settings.display_name,
    )
    app.state.passkeys = Passkeys(
        party=RelyingParty(
            domain=settings.relying_party, name=settings.display_name, origins=settings.passkey_pages
        ),
        challenges=ChallengeCodec(derive_key(secret, "passkey challenges")),
        require_verified_email=settings.require_verified_email,
    )
    app.state.keyring = keyring
    app.state.revocations = RevocationFeed(database)
    app.state.sweeper = Sweeper(database, pause=settings.sweep_seconds)
    app.state.outbox = make_outbox(settings)
    app.state.mail_worker = make_worker(settings, database=database)
    app.state.tokens = Tokens(
        access=AccessTokenSigner(keyring, issuer=settings.auth_issuer, audience=settings.auth_audience),
        refresh=RefreshTokenCodec(derive_key(secret, "refresh tokens")),
    )
    app.state.google = make_google(
        settings,
        database=database,
        http=app.state.http,
        tokens=app.state.tokens,
        outbox=app.state.outbox,
        guard=app.state.guard,
    )
    app.state.standard_clients = StandardClients(
        issuer=settings.auth_issuer,
        registered=settings.registered_clients,
        forms=SignInForms(derive_key(secret, "sign-in forms")),
        with_google=app.state.google is not None,
        with_passkeys=settings.has_passkeys_at_home,
        id_tokens=IdTokenSigner(keyring, issuer=settings.auth_issuer),
    )
    return app


@contextlib.asynccontextmanager
async def _run_background(app: Service) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.state.keyring.running())
        await stack.enter_async_context(app.state.mail_worker.running())
        await stack.enter_async_context(sweeping(app.state.database))
        await stack.enter_async_context(app.state.sweeper.running())
        yield
