"""The parts of Auth that live as long as the application, made from its settings."""

from dataclasses import dataclass

import httpx
from prometheus_client import CollectorRegistry

from auth.google.service import GoogleSignIn
from auth.google.setup import make_google
from auth.keys.service import Keyring
from auth.login.password import PasswordCheck
from auth.login.setup import make_password_check
from auth.mail.outbox import Outbox
from auth.mail.setup import make_outbox, make_worker
from auth.mail.worker import MailWorker
from auth.oidc.dependencies import StandardClients
from auth.oidc.setup import make_standard_clients
from auth.passkeys.service import Passkeys
from auth.passkeys.setup import make_passkeys
from auth.revocations.service import RevocationFeed
from auth.second_factors.codes import SecondFactors
from auth.second_factors.setup import make_second_factors
from auth.sessions.beginning import Tokens
from auth.sessions.setup import make_tokens
from auth.settings import Settings
from auth.worker import Sweeper
from dbcommon.engine import Database
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.throttling.guard import Guard


@dataclass(frozen=True, kw_only=True)
class Components:
    """Routes get each by its type (`webcommon.app.state.component`)."""

    hasher: PasswordHasher
    guard: Guard
    keyring: Keyring
    tokens: Tokens
    outbox: Outbox
    mail_worker: MailWorker
    sweeper: Sweeper
    revocations: RevocationFeed
    password_check: PasswordCheck
    second_factors: SecondFactors
    passkeys: Passkeys
    google: GoogleSignIn | None
    standard_clients: StandardClients


def make_components(
    settings: Settings,
    *,
    database: Database,
    keyring: Keyring,
    http: httpx.AsyncClient,
    hasher: PasswordHasher,
    registry: CollectorRegistry,
) -> Components:
    """All components; none is running yet."""
    guard = Guard(settings, database=database, url=settings.auth_issuer)
    tokens = make_tokens(settings, keyring=keyring)
    outbox = make_outbox(settings)
    google = make_google(settings, database=database, http=http, tokens=tokens, outbox=outbox, guard=guard)
    return Components(
        hasher=hasher,
        guard=guard,
        keyring=keyring,
        tokens=tokens,
        outbox=outbox,
        mail_worker=make_worker(settings, database=database, registry=registry),
        sweeper=Sweeper(database, pause=settings.sweep_seconds),
        revocations=RevocationFeed(database),
        password_check=make_password_check(settings, database=database, hasher=hasher, guard=guard),
        second_factors=make_second_factors(settings),
        passkeys=make_passkeys(settings),
        google=google,
        standard_clients=make_standard_clients(settings, keyring=keyring, with_google=google is not None),
    )
