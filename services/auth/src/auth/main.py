"""Auth: accounts, sessions and the tokens that the other services accept."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from auth import __version__
from auth.accounts.history_routes import router as own_history_router
from auth.accounts.routes import router as accounts_router
from auth.admin.routes import router as admin_router
from auth.components import Components, make_components
from auth.email_links.pages import router as email_pages_router
from auth.email_links.routes import router as email_links_router
from auth.google.linked_account_routes import router as linked_accounts_router
from auth.google.page_routes import router as google_pages_router
from auth.google.routes import router as google_router
from auth.google.setup import CALLBACK_PATH
from auth.keys.setup import make_keyring
from auth.login.routes import router as login_router
from auth.login.second_factor_routes import router as finishing_router
from auth.mail.routes import router as development_mails_router
from auth.oidc.authorize_routes import router as authorize_router
from auth.oidc.discovery_routes import router as discovery_router
from auth.oidc.sign_in_routes import router as sign_in_pages_router
from auth.oidc.token_routes import router as standard_clients_router
from auth.passkeys.routes import router as passkeys_router
from auth.passwords.routes import router as passwords_router
from auth.revocations.routes import router as revocations_router
from auth.second_factors.routes import router as second_factors_router
from auth.sessions.management_routes import router as own_sessions_router
from auth.sessions.routes import router as sessions_router
from auth.settings import Settings
from dbcommon.engine import Database
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.throttle import sweeping
from webcommon.app.service import Service
from webcommon.auth.bearer import Issuer

GET_ONLY = frozenset({"/v1/oauth/google/authorize", CALLBACK_PATH, "/oauth2/authorize"})
"""Steps of a sign-in without HEAD: each counts an attempt, uses something up or sets a cookie."""


def create_app(
    settings: Settings | None = None,
    *,
    issuers: Sequence[Issuer] | None = None,
    hasher: PasswordHasher | None = None,
) -> Service:
    """The application. `issuers` replaces this service as the issuer of the tokens that it accepts, `hasher` the hasher
    with the recommended costs."""
    settings = settings or Settings.from_environment()
    database = Database(settings.database, application_name=settings.service)
    keyring = make_keyring(settings, database=database)
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
    app.keep(
        make_components(
            settings,
            database=database,
            keyring=keyring,
            http=app.http,
            hasher=hasher or PasswordHasher(),
            registry=app.request_metrics.registry,
        )
    )
    return app


@contextlib.asynccontextmanager
async def _run_background(app: Service) -> AsyncIterator[None]:
    components = app.component(Components)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(components.keyring.running())
        await stack.enter_async_context(components.mail_worker.running())
        await stack.enter_async_context(sweeping(app.component(Database)))
        await stack.enter_async_context(components.sweeper.running())
        yield
