"""How mails go out."""

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
"""An hour, from one network."""


class MailSettings(DatabaseServiceSettings):
    """The part of Auth's settings that is about mail."""

    web_url: str | None = Field(
        None, description="Where links in mails lead, without a path of ours; AUTH_ISSUER by default."
    )
    require_verified_email: bool = Field(
        False, description="true: nobody signs in before the e-mail address was confirmed (403)."
    )
    smtp_host: str | None = Field(
        None, description="The mail server. Needed in production; without one mails go to a folder."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port; 465 means TLS from the beginning.")
    smtp_user: str | None = Field(None, description="The name to sign in to the mail server with, if any.")
    smtp_password: SecretStr | None = Field(None, description="Its password.")
    smtp_starttls: Literal["auto", "true", "false"] = Field(
        "auto",
        description="true: demand STARTTLS; false: never; auto: when offered, and demanded with a password.",
    )
    smtp_from: str = Field(
        "Quartet <no-reply@localhost>", description="The sender of mails: an address, with or without a name."
    )
    smtp_timeout_seconds: float = Field(
        20, gt=0, le=300, description="A mail has to be handed over in so long."
    )
    mail_folder: str | None = Field(
        None,
        description="In development without a mail server: where mails are written. By default a temporary folder, the same for "
        "all processes on the machine that use the same database.",
    )
    mail_retry_seconds: float = Field(
        5, gt=0, le=300, description="The pause after a mail was not taken; it doubles up to five minutes."
    )
    mail_interval_seconds: float = Field(
        60,
        ge=0,
        le=86_400,
        description="At most one mail of a kind that anybody may ask for goes to an address in so long.",
    )
    mail_requests_per_network: int | None = Field(
        None,
        ge=1,
        le=MOST,
        description="How often an hour one network may ask for mails without signing in; 100 in production and 1,000 in "
        "development by default.",
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
    def _demand_a_mail_server(self) -> Self:
        if self.environment == "production" and self.smtp_host is None:
            raise ValueError("AUTH_SMTP_HOST is not set; production needs a mail server")
        return self

    @property
    def public_urls(self) -> dict[str, list[str]]:
        """Those of every service, and where links in mails lead."""
        return super().public_urls | {"AUTH_WEB_URL": [self.web_url] if self.web_url else []}

    @property
    def mail_request_limit(self) -> Limit:
        """Of wishes for a mail by whoever is not signed in, from one network."""
        count = self.mail_requests_per_network or MAIL_REQUESTS[self.environment]
        return Limit(count=count, window=timedelta(hours=1))

    @property
    def links_url(self) -> str:
        """Where links in mails lead."""
        return (self.web_url or self.auth_issuer).rstrip("/")

    @property
    def development_folder(self) -> Path:
        """Where mails are written without a mail server: any of the processes on one database may send what another one
        was asked for, so without a setting they share a folder. Another database's is another one, and another user's."""
        if self.mail_folder is not None:
            return Path(self.mail_folder)
        where = f"{self.database.url.hosts} {self.database.url.database}"
        key = hashlib.sha256(where.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"quartet-auth-mails-{os.getuid()}-{key}"
