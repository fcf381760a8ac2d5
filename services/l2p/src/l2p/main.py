"""Learn2Play as an application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dbcommon.engine import Database
from l2p import __version__
from l2p.accounts.routes import router as accounts_router
from l2p.answers.routes import router as answers_router
from l2p.codes.service import CodeFinder
from l2p.components import Components
from l2p.control.routes import router as control_router
from l2p.games.routes import router as games_router
from l2p.guest_access.access import GuestAccess
from l2p.guests.routes import router as guests_router
from l2p.hosting.routes import router as hosting_router
from l2p.leaderboards.routes import router as leaderboards_router
from l2p.leaderboards.service import maintaining
from l2p.live.metrics import add_live_metrics
from l2p.live.routes import EVENTS_PATH
from l2p.live.routes import router as live_router
from l2p.live.setup import LiveGames, make_live_games
from l2p.lobbies.routes import router as lobbies_router
from l2p.models import USER_COLUMNS
from l2p.question_sets.reader import FileReader
from l2p.question_sets.routes import router as question_sets_router
from l2p.seats.routes import router as seats_router
from l2p.settings import Settings
from l2p.statistics.routes import router as statistics_router
from l2p.tokens import TokenSigner
from l2p.users.routes import router as users_router
from l2p.verification.routes import router as verification_router
from webcommon.accounts.passwords import PasswordHasher
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.accounts.throttling.guard import Guard
from webcommon.accounts.throttling.throttle import sweeping
from webcommon.app.service import Service, auth_issuer
from webcommon.auth.bearer import Issuer, TokenVerifier

DESCRIPTION = "Live quiz games in many lobbies. Accepts the accounts of Auth, and has accounts of its own."


def create_app(
    settings: Settings | None = None,
    *,
    issuers: Sequence[Issuer] | None = None,
    hasher: PasswordHasher | None = None,
) -> Service:
    """The service. Raises `SettingsError` when a required setting is missing.

    `issuers` replaces Auth as the issuer of tokens; Learn2Play's own tokens are accepted in any case. `hasher` replaces
    the one with the recommended costs.
    """
    settings = settings or Settings.from_environment()
    database = Database(settings.database, application_name=settings.service)
    provisioner = UserProvisioner(database, USER_COLUMNS)
    live = make_live_games(settings, database, provisioner)
    app = Service(
        settings,
        version=__version__,
        title="Learn2Play",
        description=DESCRIPTION,
        routers=[
            accounts_router,
            users_router,
            question_sets_router,
            statistics_router,
            leaderboards_router,
            lobbies_router,
            seats_router,
            hosting_router,
            guests_router,
            games_router,
            control_router,
            verification_router,
            answers_router,
            live_router,
        ],
        database=database,
        issuers=issuers,
        get_only=(EVENTS_PATH,),
        lifespan=lambda app: _running(app, database, live),
    )
    signer = TokenSigner(
        settings.secret.get_secret_value(), issuer=settings.issuer, lifetime=settings.token_seconds
    )
    trusted = (
        issuers if issuers is not None else [auth_issuer(settings, keys=app.jwks, ended=app.ended_sessions)]
    )
    app.verifier = TokenVerifier(*trusted, signer.issuer)
    guard = Guard(settings, database=database, url=settings.issuer)
    app.keep(
        Components(
            signer=signer,
            guard=guard,
            codes=CodeFinder(database, guard),
            hasher=hasher or PasswordHasher(),
            provisioner=provisioner,
            file_reader=FileReader(),
            log=live.log,
            clock=live.clock,
            batches=live.batches,
            driver=live.driver,
            calculator=live.calculator,
            phases=live.phases,
            live=live.parts,
            presence=live.presence,
            guest_access=GuestAccess(database),
            turns=live.turns,
            seats=live.seats,
        )
    )
    add_live_metrics(app.request_metrics.registry, live.parts.sessions)
    app.on_drain(live.hand_over)
    return app


@asynccontextmanager
async def _running(app: Service, database: Database, live: LiveGames) -> AsyncIterator[None]:
    async with sweeping(database), maintaining(database, live.clock), live.running(app.verifier):
        yield
