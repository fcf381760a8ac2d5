"""Delivery of mails: to an SMTP server, or in development to a folder."""

import asyncio
import functools
import logging
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import aiosmtplib
import email_validator

from auth.mail.messages import Message
from auth.mail.schemas import DevelopmentMail

logger = logging.getLogger(__name__)

# Links are not wrapped, which some mail programs would not undo.
_POLICY = policy.SMTP.clone(max_line_length=998)

_PERMANENT = range(500, 600)


class CannotDeliver(Exception):
    """The mail was not delivered. The text does not quote the mail server, whose answer may contain the address.

    `permanent`: the server refused the mail for good, so there is no retry.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail with its envelope. Every attempt has the same `id`, and so the same Message-ID."""

    id: UUID
    recipient: str
    created_at: datetime
    message: Message


class Delivery(Protocol):
    """A way to deliver mails."""

    async def deliver(self, letter: Letter) -> None:
        """Deliver the mail. Raises `CannotDeliver`."""


def compose(letter: Letter, *, sender: str) -> EmailMessage:
    """The mail as it is sent. Raises `ValueError` for a line break in a header."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = _in_ascii(letter.recipient)
    mail["Subject"] = letter.message.subject
    mail["Date"] = format_datetime(letter.created_at.astimezone(UTC))
    mail["Message-ID"] = f"<{letter.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    mail.set_content(letter.message.text)
    mail.add_alternative(letter.message.html, subtype="html")
    return mail


def _in_ascii(address: str) -> str:
    try:
        checked = email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        raise ValueError("no e-mail address") from None
    return f"{checked.local_part}@{checked.ascii_domain}"


@dataclass(frozen=True, kw_only=True)
class SmtpDelivery:
    """Delivers to an SMTP server, on a new connection for each mail. `timeout_seconds` bounds the whole delivery."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    starttls: Literal["auto", "true", "false"]
    sender: str
    timeout_seconds: float

    async def deliver(self, letter: Letter) -> None:
        """Returns when the server has accepted the mail."""
        try:
            message = compose(letter, sender=self.sender)
        except ValueError as error:
            raise CannotDeliver("the address cannot be written into a header", permanent=True) from error
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._send(message)
        except TimeoutError:
            raise CannotDeliver(f"no answer within {self.timeout_seconds:g} s") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _explain(error.recipients[0].code, "the recipient was refused", final=True) from None
        except aiosmtplib.SMTPDataError as error:
            raise _explain(error.code, "the mail was refused", final=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _explain(error.code, type(error).__name__, final=False) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise CannotDeliver(type(error).__name__) from None

    async def _send(self, message: EmailMessage) -> None:
        implicit = self.port == 465
        # Credentials need an encrypted connection, unless the operator says otherwise.
        required = self.starttls == "true" or (self.starttls == "auto" and self.user is not None)
        start_tls = {"true": True, "false": False, "auto": True if required else None}[self.starttls]
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=implicit,
            start_tls=False if implicit else start_tls,
            timeout=self.timeout_seconds,
        )


def _explain(code: int, what: str, *, final: bool) -> CannotDeliver:
    return CannotDeliver(f"{what} ({code})", permanent=final and code in _PERMANENT)


class FolderDelivery:
    """Writes each mail to a file of a folder, for development. Only the user that runs the service can read it."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self.folder = folder
        self._sender = sender

    async def deliver(self, letter: Letter) -> None:
        """Returns when the file is written. A second delivery of the same mail replaces the file."""
        try:
            content = compose(letter, sender=self._sender).as_bytes()
        except ValueError as error:
            raise CannotDeliver("the address cannot be written into a header", permanent=True) from error
        try:
            path = await asyncio.to_thread(self._write, letter.id, content)
        except OSError as error:
            raise CannotDeliver(f"{self.folder}: {error.strerror}") from None
        logger.info("a mail was written to %s", path)

    def _write(self, mail_id: UUID, content: bytes) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._is_ours():
            raise PermissionError(1, "the folder belongs to another user; set AUTH_MAIL_FOLDER")
        path = self.folder / f"{mail_id}.eml"
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
        return path

    def _is_ours(self) -> bool:
        # The name can be guessed, so another user of the machine could have made the folder to read the mails.
        return self.folder.stat().st_uid == os.getuid()

    async def read_all(self) -> list[DevelopmentMail]:
        """All mails of the folder, the newest first; none if another user owns the folder."""
        return await asyncio.to_thread(self._read_all)

    def _read_all(self) -> list[DevelopmentMail]:
        if not self.folder.exists() or not self._is_ours():
            return []
        # The names are UUIDv7, which sort by time.
        paths = sorted(self.folder.glob("*.eml"), reverse=True)
        return [_parse(path) for path in paths]


@functools.lru_cache(maxsize=1000)  # files do not change
def _parse(path: Path) -> DevelopmentMail:
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    if not isinstance(mail, EmailMessage):
        raise TypeError("the policy makes an EmailMessage")
    parts = {part.get_content_subtype(): part.get_content() for part in mail.iter_parts()}
    return DevelopmentMail(
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        text=parts["plain"],
        html=parts["html"],
        created_at=mail["Date"].datetime,
    )
