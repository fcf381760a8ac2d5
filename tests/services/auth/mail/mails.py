"""Reading mails: from the development folder, or from a real SMTP server on 127.0.0.1."""

import asyncio
import contextlib
import email
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any

import httpx
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.services.auth.auth_app import AuthDatabase

_LINK = re.compile(r"https?://\S+\?token=([A-Za-z0-9_-]{43})(?=\s|$)")


async def mails_to(client: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    """The mails of the development folder to an address, the newest first."""
    response = await client.get("/dev/mails")
    assert response.status_code == 200, response.text
    return [mail for mail in response.json()["items"] if mail["to"] == address]


def token_in(text: str) -> str:
    """The token of the only link in a mail's text."""
    (token,) = _LINK.findall(text)
    return str(token)


async def newest_token(client: httpx.AsyncClient, address: str) -> str:
    """The token of the newest mail to an address."""
    return token_in((await mails_to(client, address))[0]["text"])


async def everything_sent(database: AuthDatabase) -> bool:
    """Whether no mail is pending."""
    return not await database.fetch_value(
        "SELECT EXISTS (SELECT 1 FROM mails WHERE sent_at IS NULL AND failed_at IS NULL)"
    )


async def eventually(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], *, seconds: float = 60
) -> None:
    """Repeat the check until it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.02)


@dataclass
class MailServer:
    """An SMTP server that keeps the mails it accepts. It gives `answers`, in turn, instead of accepting a mail. With `tls` it
    requires STARTTLS."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    tries: int = 0
    hang: bool = False
    user: str | None = None
    password: str = field(default="", repr=False)
    sign_ins: int = 0
    tls: ssl.SSLContext | None = None
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept a mail, or give the next of `answers`."""
        self.tries += 1
        if self.hang:
            await asyncio.sleep(3600)
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.encrypted.append(session.ssl is not None)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def _sign_in(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        self.sign_ins += 1
        expected = LoginPassword((self.user or "").encode(), self.password.encode())
        return AuthResult(success=given == expected)

    def texts_to(self, address: str) -> list[str]:
        """The plain text of the mails to an address."""
        texts = []
        for message in self.taken:
            body = message.get_body(("plain",))
            if message["To"] == address and body is not None:
                texts.append(str(body.get_content()))
        return texts

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the block runs, always on the same port."""
        loop = asyncio.get_running_loop()
        protocols: list[SMTP] = []

        def make() -> SMTP:
            protocols.append(
                SMTP(
                    self,
                    enable_SMTPUTF8=True,
                    ident="test",
                    authenticator=self._sign_in,
                    auth_required=self.user is not None,
                    auth_require_tls=self.tls is not None,
                    tls_context=self.tls,
                    require_starttls=self.tls is not None,
                )
            )
            return protocols[-1]

        server = await loop.create_server(make, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for protocol in protocols:
                if isinstance(protocol.transport, asyncio.Transport):
                    protocol.transport.abort()
            await server.wait_closed()
