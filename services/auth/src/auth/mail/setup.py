"""Makes the outbox and its worker from the settings."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from auth.mail.delivery import Delivery, FolderDelivery, SmtpDelivery
from auth.mail.link_tokens import LinkTokenCodec
from auth.mail.metrics import MailMetrics
from auth.mail.outbox import Outbox
from auth.mail.worker import MailWorker, Pace
from auth.settings.mail import MailSettings
from dbcommon.engine import Database
from webcommon.keys import derive_key


def make_outbox(settings: MailSettings) -> Outbox:
    """The outbox of the service."""
    return Outbox(codec=_codec(settings), interval=timedelta(seconds=settings.mail_interval_seconds))


def make_worker(settings: MailSettings, *, database: Database, registry: CollectorRegistry) -> MailWorker:
    """The worker of this process, with its metrics in `registry`."""
    pace = Pace(
        retry_seconds=settings.mail_retry_seconds,
        delivery_seconds=settings.smtp_timeout_seconds,
        interval=timedelta(seconds=settings.mail_interval_seconds),
    )
    return MailWorker(
        database,
        delivery=_delivery(settings),
        codec=_codec(settings),
        web_url=settings.links_url,
        pace=pace,
        metrics=MailMetrics(registry),
    )


def _codec(settings: MailSettings) -> LinkTokenCodec:
    return LinkTokenCodec(derive_key(settings.secret.get_secret_value(), "links in mails"))


def _delivery(settings: MailSettings) -> Delivery:
    if settings.smtp_host is None:
        return FolderDelivery(settings.development_folder, sender=settings.smtp_from)
    password = settings.smtp_password
    return SmtpDelivery(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        starttls=settings.smtp_starttls,
        sender=settings.smtp_from,
        timeout_seconds=settings.smtp_timeout_seconds,
    )
