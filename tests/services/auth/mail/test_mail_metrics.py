"""`/metrics` of Auth: attempts to send a mail by outcome, and the mails that wait."""

from prometheus_client import CollectorRegistry

from auth.mail.worker import MailWorker
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, make_app, register
from tests.services.auth.mail.mails import MailServer, eventually, everything_sent
from webcommon.app.service import Service


def mailing_app(database: AuthDatabase, server: MailServer) -> Service:
    return make_app(
        database.settings,
        smtp_host="127.0.0.1",
        smtp_port=server.port,
        smtp_from="auth@example.com",
        mail_retry_seconds=0.1,
    )


def attempts(registry: CollectorRegistry) -> dict[str, float | None]:
    return {
        outcome: registry.get_sample_value("auth_mail_attempts_total", {"outcome": outcome})
        for outcome in ("sent", "retried", "given_up")
    }


async def test_attempts_are_counted_by_their_outcome(auth_database: AuthDatabase) -> None:
    server = MailServer(answers=["451 come again", "550 no such mailbox"])
    async with server.listening():
        app = mailing_app(auth_database, server)
        assert attempts(app.request_metrics.registry) == {"sent": 0, "retried": 0, "given_up": 0}
        async with running(app) as auth:
            await register(auth)
            await eventually(lambda: everything_sent(auth_database))
            await register(auth)
            await eventually(lambda: everything_sent(auth_database))
        assert attempts(app.request_metrics.registry) == {"sent": 1, "retried": 1, "given_up": 1}


async def test_mails_that_wait_are_counted_with_the_age_of_the_oldest(auth_database: AuthDatabase) -> None:
    server = MailServer()
    async with server.listening():
        pass  # the port is known, and nobody listens there
    app = mailing_app(auth_database, server)
    sample = app.request_metrics.registry.get_sample_value
    async with running(app) as auth:
        worker = app.component(MailWorker)
        await register(auth)
        await register(auth)
        await auth_database.execute(
            "UPDATE mails SET created_at = now() - interval '1 hour'"
            " WHERE id = (SELECT min(id::text)::uuid FROM mails WHERE sent_at IS NULL AND failed_at IS NULL)"
        )
        await worker.measure()
        assert sample("auth_mails_pending") == 2
        oldest = sample("auth_mails_oldest_pending_seconds")
        assert oldest is not None
        assert 3600 <= oldest < 7200
        async with server.listening():
            await eventually(lambda: everything_sent(auth_database))
        await worker.measure()
        assert (sample("auth_mails_pending"), sample("auth_mails_oldest_pending_seconds")) == (0, 0)
