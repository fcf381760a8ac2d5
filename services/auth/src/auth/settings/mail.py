"""Settings of mails."""

import hashlib
import os
import tempfile
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Self

import email_validator
from pydantic import Field, SecretStr, field_validator, model_validator

from webcommon.accounts.throttling.limits import Limit
from webcommon.accounts.throttling.settings import MOST
from webcommon.settings import DatabaseServiceSettings

MAIL_REQUESTS = {"production": 100, "development": 1_000}
"""Requests for mails per hour and network."""


class MailSettings(DatabaseServiceSettings):
    """Auth's settings for mail."""

    web_url: str | None = Field(None, description="Base URL of links in mails; AUTH_ISSUER by default.")
    require_verified_email: bool = Field(
        False, description="true: signing in needs a confirmed e-mail address (403)."
    )
    smtp_host: str | None = Field(
        None,
        description="The mail server. Required in production; without one mails are written to a folder.",
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port; 465 means implicit TLS.")
    smtp_user: str | None = Field(None, description="The user name at the mail server, if it needs one.")
    smtp_password: SecretStr | None = Field(None, description="Its password.")
    smtp_starttls: Literal["auto", "true", "false"] = Field(
        "auto",
        description="true: require STARTTLS; false: never use it; auto: use it if offered, require it with a password.",
    )
    smtp_from: str = Field(
        "Quartet <no-reply@localhost>", description="The sender of mails: an address, with or without a name."
    )
    smtp_timeout_seconds: float = Field(20, gt=0, le=300, description="Timeout for handing over a mail.")
    mail_folder: str | None = Field(
        None,
        description="In development without a mail server: where mails are written. By default a temporary folder, the same for "
        "all processes on the machine that use the same database.",
    )
    mail_retry_seconds: float = Field(
        5,
        gt=0,
        le=300,
        description="Pause after the first failed attempt to send a mail; it doubles up to five minutes.",
    )
    mail_interval_seconds: float = Field(
        60,
        ge=0,
        le=86_400,
        description="The shortest time between two mails of one kind to one address, for kinds that anybody can request.",
    )
    mail_requests_per_network: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="How many mails one network may request per hour without signing in; by default 100 in production and 1,000 "
        "in development.",
    )

    @field_validator("web_url")
    @classmethod
    def _check_web_url(cls, text: str | None) -> str | None:
        # The rule of AUTH_ISSUER.
        return None if text is None else cls._check_url(text)

    @field_validator("smtp_from")
    @classmethod
    def _check_sender(cls, text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise ValueError("write it in printable ASCII, on one line")
        name, address = parseaddr(text)
        if text not in (address, f"{name} <{address}>", f'"{name}" <{address}>'):
            raise ValueError("write an address, or Name <address>")
        try:
            email_validator.validate_email(address, check_deliverability=False, test_environment=True)
        except email_validator.EmailNotValidError as error:
            if not address.endswith("@localhost"):
                raise ValueError(f"{error}") from None
        return text

    @model_validator(mode="after")
    def _require_mail_server(self) -> Self:
        if self.environment == "production" and self.smtp_host is None:
            raise ValueError("AUTH_SMTP_HOST is not set; production needs a mail server")
        return self

    @property
    def public_urls(self) -> dict[str, list[str]]:
        """The public URLs of every service, and the base URL of links in mails."""
        return super().public_urls | {"AUTH_WEB_URL": [self.web_url] if self.web_url else []}

    @property
    def mail_request_limit(self) -> Limit:
        """How many mails one network may request without signing in."""
        count = self.mail_requests_per_network or MAIL_REQUESTS[self.environment]
        return Limit(count=count, window=timedelta(hours=1))

    @property
    def links_url(self) -> str:
        """Base URL of links in mails."""
        return (self.web_url or self.auth_issuer).rstrip("/")

    @property
    def development_folder(self) -> Path:
        """Where mails are written without a mail server. By default one folder for each database and user, shared by all
        processes: any of them may send a mail that another one added."""
        if self.mail_folder is not None:
            return Path(self.mail_folder)
        where = f"{self.database.url.hosts} {self.database.url.database}"
        key = hashlib.sha256(where.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"quartet-auth-mails-{os.getuid()}-{key}"
