"""Settings of sign-in with Google."""

import re
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from webcommon.accounts.throttling.limits import Limit
from webcommon.accounts.throttling.settings import MOST
from webcommon.settings import DatabaseServiceSettings

LONGEST_REDIRECT = 2048

_ADDRESS = re.compile(
    r"https?://[a-z0-9.\-]+(:\d{1,5})?([/?][^\s\\#]*)?|https?://\[[0-9a-f:]+\](:\d{1,5})?([/?][^\s\\#]*)?"
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_address(text: str) -> bool:
    """Whether the text is an http or https URL in printable ASCII, with the host in lower case, and without user and
    fragment, so that every program parses it alike."""
    return (
        len(text) <= LONGEST_REDIRECT
        and text.isascii()
        and text.isprintable()
        and _ADDRESS.fullmatch(text) is not None
    )


def is_loopback(text: str) -> bool:
    """Whether the URL's host is the local machine."""
    return urlsplit(text).hostname in _LOOPBACK


class GoogleSettings(DatabaseServiceSettings):
    """Auth's settings for sign-in with Google."""

    google_client_id: str | None = Field(
        None,
        validation_alias="GOOGLE_CLIENT_ID",
        description="The client at Google. Without it, sign-in with Google is off. "
        "Its redirect URI is AUTH_ISSUER/v1/oauth/google/callback.",
    )
    google_client_secret: SecretStr | None = Field(
        None, validation_alias="GOOGLE_CLIENT_SECRET", description="The client's secret."
    )
    google_issuer: str = Field(
        "https://accounts.google.com",
        validation_alias="GOOGLE_ISSUER",
        description="The issuer. Its discovery document names the endpoints.",
    )
    google_redirect_urls: str = Field(
        "",
        validation_alias="GOOGLE_REDIRECT_URLS",
        description="Where a sign-in may redirect to afterwards, comma separated: origins, or exact URLs. "
        "In development every address on localhost is allowed too.",
    )
    google_starts_per_network: int = Field(
        1_000,
        ge=1,
        le=MOST,
        description="How many sign-ins with Google one network may start per hour.",
    )

    @field_validator("google_issuer")
    @classmethod
    def _check_google_issuer(cls, text: str) -> str:
        # The rule of AUTH_ISSUER.
        cls._check_url(text)
        return text

    @field_validator("google_redirect_urls")
    @classmethod
    def _check_redirect_urls(cls, text: str) -> str:
        for url in _split(text):
            if not is_address(url):
                raise ValueError(f"{url!r} is not a valid URL; write https://host, or https://host/path")
        return text

    @model_validator(mode="after")
    def _refuse_half_a_client(self) -> Self:
        if self.google_client_id is None:
            return self
        if self.google_client_secret is None:
            raise ValueError("GOOGLE_CLIENT_SECRET is not set; GOOGLE_CLIENT_ID needs it")
        if self.environment == "production":
            if not self.google_issuer.startswith("https://"):
                raise ValueError("GOOGLE_ISSUER: production needs https")
            for url in self.redirect_urls:
                if not url.startswith("https://") and not is_loopback(url):
                    raise ValueError(f"GOOGLE_REDIRECT_URLS: production needs https, unlike {url!r}")
        return self

    @property
    def google_start_limit(self) -> Limit:
        """How many sign-ins with Google one network may start."""
        return Limit(count=self.google_starts_per_network, window=timedelta(hours=1))

    @property
    def redirect_urls(self) -> list[str]:
        """The addresses and origins of `google_redirect_urls`."""
        return _split(self.google_redirect_urls)


def _split(text: str) -> list[str]:
    return [url.strip() for url in text.split(",") if url.strip()]
