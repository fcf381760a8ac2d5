"""Payment as an application."""

from collections.abc import Sequence

from dbcommon.engine import Database
from payment import __version__
from payment.components import Components
from payment.disputes import routes as disputes
from payment.models import USER_COLUMNS
from payment.orders import routes as orders
from payment.payments import routes as payments
from payment.products import routes as products
from payment.receipts import routes as receipts
from payment.receipts.pdf_maker import PdfMaker
from payment.refunds import routes as refunds
from payment.settings import Settings
from payment.stripe_api.setup import make_stripe_api
from payment.stripe_events import routes as stripe_events
from payment.stripe_events.service import EventWaker
from payment.timeline import routes as timeline
from payment.verification.metrics import VerificationMetrics
from payment.webhook_endpoints import routes as webhook_endpoints
from payment.webhook_endpoints.setup import make_policy, make_secrets, make_worker
from payment.worker import working
from webcommon.accounts.provisioning.service import UserProvisioner
from webcommon.app.service import Service
from webcommon.auth.bearer import Issuer


def create_app(settings: Settings | None = None, *, issuers: Sequence[Issuer] | None = None) -> Service:
    """The service. Raises `SettingsError` without a database. `issuers` replaces Auth as the issuer of tokens."""
    settings = settings or Settings.from_environment()
    database = Database(settings.database, application_name=settings.service)
    app = Service(
        settings,
        version=__version__,
        title="Payment",
        description="Catalogue, orders and payments. Money is a decimal string beside its currency, never a number.",
        routers=[
            products.router,
            orders.router,
            payments.router,
            refunds.router,
            refunds.refunds_router,
            payments.payments_router,
            disputes.router,
            timeline.router,
            receipts.router,
            stripe_events.router,
            webhook_endpoints.router,
        ],
        database=database,
        issuers=issuers,
        lifespan=working,
    )
    policy, secrets = make_policy(settings), make_secrets(settings)
    app.keep(
        Components(
            provisioner=UserProvisioner(database, USER_COLUMNS),
            stripe=make_stripe_api(settings, registry=app.request_metrics.registry),
            address_policy=policy,
            endpoint_secrets=secrets,
            delivery_worker=make_worker(
                settings,
                database=database,
                policy=policy,
                secrets=secrets,
                registry=app.request_metrics.registry,
            ),
            waker=EventWaker(),
            pdf_maker=PdfMaker(),
            verification_metrics=VerificationMetrics(app.request_metrics.registry),
        )
    )
    return app
