"""The outbox with a real mail server that is down, slow or refuses mails, and with workers that die."""

import asyncio
import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from auth.mail.delivery import Letter, compose
from auth.mail.messages import Message
from auth.mail.worker import MailWorker, Pace
from auth.models import Model
from auth.settings import Settings
from dbcommon.settings_error import SettingsError
from tests.clients import running
from tests.processes import replica
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, new_person, register
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.mail.certificates import Certificate, make_certificate
from tests.services.auth.mail.mails import (
    MailServer,
    eventually,
    everything_sent,
    mails_to,
    newest_token,
    token_in,
)
from tests.services.auth.waiting import find_waiting, holding_account, queue

CANARY = "canary pebbles in my shoe"


@pytest.fixture
async def database(new_auth_database: NewDatabase) -> AuthDatabase:
    """A database whose outbox only the test's own processes send."""
    return await new_auth_database()


def smtp_app(database: AuthDatabase, server: MailServer, **changed: Any) -> Any:
    """An Auth that sends to the server, with short pauses and timeouts."""
    return make_app(
        database.settings,
        **{
            "smtp_host": "127.0.0.1",
            "smtp_port": server.port,
            "smtp_from": "Quartet <auth@example.com>",
            "mail_retry_seconds": 0.1,
            **changed,
        },
    )


async def test_a_mail_is_sent_as_text_and_html_and_its_seed_is_deleted(database: AuthDatabase) -> None:
    server = MailServer()
    async with server.listening(), running(smtp_app(database, server)) as auth:
        person = await register(auth)
        await eventually(lambda: everything_sent(database))
        (message,) = server.taken
        assert message["To"] == person.email
        assert message["From"] == "Quartet <auth@example.com>"
        assert re.fullmatch(r"<[0-9a-f-]{36}@example\.com>", message["Message-ID"])
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        token = token_in(text.get_content())
        assert f"token={token}" in html.get_content()
        response = await auth.post("/v1/auth/email/verify", json={"token": token})
        assert response.status_code == 200
        assert (await auth.get("/dev/mails")).status_code == 404
    (row,) = await database.fetch("SELECT seed, payload, attempts FROM mails")
    assert (row["seed"], row["payload"], row["attempts"]) == (None, None, 1)


async def test_an_outage_of_the_mail_server_delays_no_request_and_each_mail_is_sent_once(
    database: AuthDatabase,
) -> None:
    server = MailServer()
    async with server.listening():
        pass  # the port is known, and nobody listens there
    async with running(smtp_app(database, server)) as auth:
        people = [await register(auth) for _ in range(5)]
        for person in people:
            await log_in(auth, person)
        await eventually(lambda: _tried(database, times=2))
        dump = await read_everything(database)
        async with server.listening():
            await eventually(lambda: everything_sent(database))
            assert sorted(message["To"] for message in server.taken) == sorted(p.email for p in people)
            (text,) = server.texts_to(people[0].email)
            token = token_in(text)
            dump += await read_everything(database)
            response = await auth.post("/v1/auth/email/verify", json={"token": token})
            assert response.status_code == 200
    assert hashlib.sha256(token.encode()).hexdigest() in dump
    for secret in (token, base64.urlsafe_b64decode(token + "=").hex()):
        assert secret not in dump


async def read_everything(database: AuthDatabase) -> str:
    """Every row of every table, as text."""
    text = ""
    for table in Model.metadata.tables:
        rows = await database.fetch(f'SELECT row_to_json(t)::text AS text FROM "{table}" t')  # noqa: S608 - our own tables
        text += "".join(row["text"] for row in rows)
    return text


async def _tried(database: AuthDatabase, *, times: int) -> bool:
    return bool(await database.fetch_value("SELECT min(attempts) >= $1 FROM mails", times))


async def test_a_temporary_refusal_is_retried_with_the_same_link_and_message_id(
    database: AuthDatabase,
) -> None:
    server = MailServer(answers=["451 come again", "452 still full"])
    async with server.listening(), running(smtp_app(database, server)) as auth:
        await register(auth)
        await eventually(lambda: everything_sent(database))
    assert server.tries == 3
    assert len(server.taken) == 1


async def test_a_permanent_refusal_is_given_up_and_its_seed_deleted(database: AuthDatabase) -> None:
    server = MailServer(answers=["550 no such mailbox"])
    async with server.listening(), running(smtp_app(database, server)) as auth:
        person = await register(auth)
        await eventually(lambda: _given_up(database))
        await log_in(auth, person)
    (row,) = await database.fetch("SELECT seed, sent_at, attempts FROM mails")
    assert (row["seed"], row["sent_at"], row["attempts"]) == (None, None, 1)
    assert server.taken == []


async def _given_up(database: AuthDatabase) -> bool:
    return bool(await database.fetch_value("SELECT bool_and(failed_at IS NOT NULL) FROM mails"))


@pytest.mark.parametrize("answers", [[], ["550 no such mailbox"]])
async def test_the_mail_about_a_deleted_account_is_sent_and_then_deleted(
    database: AuthDatabase, answers: list[str]
) -> None:
    server = MailServer()
    async with server.listening():
        pass  # the port is known
    async with running(smtp_app(database, server)) as auth:
        async with server.listening():
            person = await register(auth)
            answer = await log_in(auth, person)
            await eventually(lambda: everything_sent(database))
        server.taken.clear()
        body, headers = {"password": person.password}, bearer(answer["access_token"])
        deleted = await auth.request("DELETE", "/v1/users/me", json=body, headers=headers)
        assert deleted.status_code == 204
        await eventually(lambda: _tried(database, times=1))
        assert await database.fetch_value("SELECT count(*) FROM users") == 0
        server.answers, before = list(answers), server.tries
        async with server.listening():
            await eventually(lambda: everything_sent(database))
    assert server.tries == before + 1
    if not answers:
        (text,) = server.texts_to(person.email)
        assert f"Hello {person.username}" in text
        assert "your account was deleted" in text
    left = await read_everything(database)
    assert person.email not in left
    assert person.username not in left


async def test_a_mail_server_that_hangs_times_out_and_is_retried(database: AuthDatabase) -> None:
    server = MailServer(hang=True)
    async with server.listening(), running(smtp_app(database, server, smtp_timeout_seconds=0.3)) as auth:
        started = asyncio.get_running_loop().time()
        person = await register(auth)
        assert asyncio.get_running_loop().time() - started < 2
        await eventually(lambda: server.tries >= 2)
        server.hang = False
        await eventually(lambda: everything_sent(database))
        assert [message["To"] for message in server.taken] == [person.email]


async def test_of_several_pending_links_only_the_newest_is_sent(database: AuthDatabase) -> None:
    server = MailServer()
    async with server.listening():
        pass
    async with running(smtp_app(database, server, mail_interval_seconds=0)) as auth:
        person = await register(auth)
        for _ in range(4):
            await auth.post("/v1/auth/password/forgot", json={"email": person.email})
        async with server.listening():
            await eventually(lambda: everything_sent(database))
            texts = server.texts_to(person.email)
            assert len(texts) == 2  # one that confirms, one that resets
            token = next(token_in(text) for text in texts if "/password/reset" in text)
            body = {"token": token, "new_password": "eight silent lagoons"}
            assert (await auth.post("/v1/auth/password/reset", json=body)).status_code == 204


async def test_a_link_that_is_voided_while_its_mail_is_being_sent_never_works(database: AuthDatabase) -> None:
    async with running(make_app(database.settings, mail_retry_seconds=0.1)) as auth:
        person, thief = await register(auth), new_person()
        stolen = await log_in(auth, person)
        await mails_to(auth, person.email)
        # From now on a mail is due when this test says so.
        await database.execute("ALTER TABLE mails ALTER next_attempt_at SET DEFAULT 'infinity'")
        changed = await auth.patch(
            "/v1/users/me", json={"email": thief.email}, headers=bearer(stolen["access_token"])
        )
        assert changed.status_code == 200
        due = "UPDATE mails SET next_attempt_at = now() WHERE kind = $1"
        await database.execute(due, "revert_email")
        await eventually(lambda: is_sent(database, "revert_email"))
        undo = await newest_token(auth, person.email)
        async with holding_account(database, stolen["user"]["id"]):
            owner = await queue(database, auth.post("/v1/auth/email/verify", json={"token": undo}))
            await database.execute(due, "change_email")
            # The worker has the mail in hand, and comes after the owner.
            await eventually(lambda: are_waiting(database, 2))
        assert (await owner).status_code == 200
        await mails_to(auth, person.email)
    assert await database.fetch("SELECT FROM email_tokens WHERE kind = 'change_email'") == []


async def is_sent(database: AuthDatabase, kind: str) -> bool:
    return bool(
        await database.fetch_value("SELECT bool_and(sent_at IS NOT NULL) FROM mails WHERE kind = $1", kind)
    )


async def are_waiting(database: AuthDatabase, statements: int) -> bool:
    return len(await find_waiting(database)) == statements


@pytest.mark.long
async def test_mails_of_a_killed_process_are_sent_by_another_and_no_log_holds_a_secret(
    database: AuthDatabase, tmp_path: Path
) -> None:
    server = MailServer(hang=True)
    person = Person(email=new_person().email, username=new_person().username, password=CANARY)
    log = tmp_path / "log"
    async with server.listening():
        settings = {
            "AUTH_SMTP_HOST": "127.0.0.1",
            "AUTH_SMTP_PORT": str(server.port),
            "AUTH_MAIL_RETRY_SECONDS": "0.1",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
        }
        async with replica("auth", database.settings, log=str(log), **settings) as one:
            await register(one.client, person)
            await eventually(lambda: server.tries == 1)
            await one.kill()
        server.hang = False
        # As if the lease were over.
        await database.execute("UPDATE mails SET next_attempt_at = now()")
        async with replica("auth", database.settings, log=str(log), **settings) as other:
            await eventually(lambda: everything_sent(database))
            (text,) = server.texts_to(person.email)
            token = token_in(text)
            await other.client.get(f"/email/verify?token={token}")
            response = await other.client.post("/v1/auth/email/verify", json={"token": token})
            assert response.status_code == 200
    text = log.read_text()
    assert '"event": "request"' in text
    for secret in (token, CANARY, person.email):
        assert secret not in text


@pytest.mark.parametrize(
    "sender", ["a@example.com\nBcc: b@example.com", "x\r\n <a@example.com>", "nobody", ""]
)
def test_an_invalid_sender_is_refused(sender: str) -> None:
    environ = {"AUTH_SECRET": "0123456789abcdef" * 2, "AUTH_DB_PASSWORD": "p", "AUTH_SMTP_FROM": sender}
    if not sender:
        assert Settings.from_environment(environ).smtp_from  # an empty variable is one that is not set
        return
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    (line,) = caught.value.lines
    assert line.startswith("AUTH_SMTP_FROM: ")


def test_production_needs_a_mail_server() -> None:
    environ = {
        "QUARTET_ENV": "production",
        "AUTH_ISSUER": "https://auth.example.com",
        "AUTH_SECRET": "0123456789abcdef" * 2,
        "AUTH_DB_PASSWORD": "0123456789abcdef",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    assert caught.value.lines == ["AUTH_SMTP_HOST is not set; production needs a mail server"]
    assert Settings.from_environment({**environ, "AUTH_SMTP_HOST": "mail"}).smtp_host == "mail"


async def test_the_sweep_deletes_only_expired_rows(database: AuthDatabase) -> None:
    app = make_app(database.settings)
    async with running(app) as auth:
        old, new = await register(auth), await register(auth)
        await auth.get("/dev/mails")
        await database.execute(
            "UPDATE mails SET created_at = now() - interval '31 days' WHERE recipient = $1", old.email
        )
        await database.execute(
            "UPDATE email_tokens SET created_at = now() - interval '2 days', expires_at = now() WHERE email = $1",
            old.email,
        )
        await database.execute(
            "INSERT INTO mail_cooldowns (key, started_at) VALUES ('over', now() - interval '61 seconds'), ('fresh', now())"
        )
        await app.component(MailWorker).sweep()
    for statement in ("SELECT recipient::text FROM mails", "SELECT email::text FROM email_tokens"):
        assert [row[0] for row in await database.fetch(statement)] == [new.email]
    keys = [row["key"] for row in await database.fetch("SELECT key FROM mail_cooldowns")]
    assert b"fresh" in keys
    assert b"over" not in keys


def test_the_pauses_between_attempts_grow() -> None:
    pace = Pace(retry_seconds=5, delivery_seconds=20, interval=timedelta(seconds=60))
    assert [pace.pause(tries).total_seconds() for tries in (1, 2, 3, 7, 100)] == [5, 10, 20, 300, 300]
    assert pace.lease.total_seconds() > 20


# aiosmtpd warns of what this test is about, and of a name that it uses itself.
@pytest.mark.filterwarnings("ignore:Requiring AUTH", "ignore:Session.login_data")
async def test_credentials_need_an_encrypted_connection_unless_starttls_is_off(
    database: AuthDatabase,
) -> None:
    server = MailServer(user="quartet", password=CANARY)
    signed = {"smtp_user": "quartet", "smtp_password": SecretStr(CANARY)}
    async with server.listening():
        async with running(smtp_app(database, server, **signed)) as auth:
            await register(auth)
            await eventually(lambda: _tried(database, times=2))
        assert (server.taken, server.sign_ins) == ([], 0)
        await database.execute("UPDATE mails SET next_attempt_at = now()")
        async with running(smtp_app(database, server, smtp_starttls="false", **signed)):
            await eventually(lambda: everything_sent(database))
    assert (len(server.taken), server.sign_ins) == (1, 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that is not trusted yet."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


async def test_credentials_and_mails_go_over_starttls_once_the_certificate_is_trusted(
    database: AuthDatabase, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MailServer(user="quartet", password=CANARY, tls=certificate.server_context())
    signed = {"smtp_user": "quartet", "smtp_password": SecretStr(CANARY)}
    async with server.listening(), running(smtp_app(database, server, **signed)) as auth:
        person = await register(auth)
        await eventually(lambda: _tried(database, times=2))
        assert (server.taken, server.sign_ins) == ([], 0), "sent to a server that nobody vouches for"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        await database.execute("UPDATE mails SET next_attempt_at = now()")
        await eventually(lambda: everything_sent(database))
    assert (server.recipients, server.sign_ins, server.encrypted) == ([person.email], 1, [True])


async def test_a_server_without_starttls_gets_nothing_when_it_is_required(
    database: AuthDatabase,
) -> None:
    server = MailServer()
    async with server.listening(), running(smtp_app(database, server, smtp_starttls="true")) as auth:
        await register(auth)
        await eventually(lambda: _tried(database, times=2))
    assert server.tries == 0


@pytest.mark.parametrize(
    "recipient",
    ["a@example.com\nBcc: b@example.com", "a@example.com\r\n\r\nbody", "a@example.com, b@example.com", "<a>"],
)
def test_no_recipient_can_inject_a_header(recipient: str) -> None:
    message = Message(subject="Hello", text="text", html="<p>text</p>")
    letter = Letter(id=uuid4(), recipient=recipient, created_at=datetime.now(UTC), message=message)
    with pytest.raises(ValueError, match="address"):
        compose(letter, sender="auth@example.com")


def test_an_international_address_is_written_in_ascii_where_it_can_be() -> None:
    message = Message(subject="Hello", text="text", html="<p>text</p>")
    letter = Letter(id=uuid4(), recipient="ada@exämple.com", created_at=datetime.now(UTC), message=message)
    assert compose(letter, sender="auth@example.com")["To"] == "ada@xn--exmple-cua.com"
