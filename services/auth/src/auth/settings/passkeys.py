"""Settings of passkeys."""

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from auth.settings.clients import ClientSettings

_NUMBERS = re.compile(r"[0-9.]+|.*:.*")
"""IP addresses, for which browsers support no passkeys."""


class PasskeySettings(ClientSettings):
    """Auth's settings for passkeys. Pages of standard clients may call Auth, but may not use passkeys."""

    display_name: str = Field(
        "Quartet",
        min_length=1,
        max_length=64,
        description="The name of this service in authenticator apps and passkey dialogs.",
    )
    passkey_domain: str | None = Field(
        None,
        description="The domain of passkeys (WebAuthn's RP ID); by default the host of AUTH_ISSUER. Changing it"
        " invalidates all passkeys.",
    )
    passkey_origins: str = Field(
        "",
        description="Origins of pages that may use passkeys, comma separated; by default AUTH_ISSUER's and AUTH_CORS_ORIGINS.",
    )

    @field_validator("passkey_origins")
    @classmethod
    def _check_passkey_origins(cls, text: str) -> str:
        # The rule of AUTH_CORS_ORIGINS.
        return cls._check_origins(text)

    @model_validator(mode="after")
    def _check_domain_of_pages(self) -> Self:
        # A browser refuses passkeys of a domain that the page is not on, so a wrong setting is refused at the start.
        domain = self.relying_party
        for origin in self.passkey_pages if self.passkey_origins or self.passkey_domain else []:
            host = urlsplit(origin).hostname or ""
            if host != domain and not host.endswith(f".{domain}") and origin not in self.cookie_origins:
                raise ValueError(
                    f"AUTH_PASSKEY_DOMAIN: {origin} is not on {domain}; pages there could not use its passkeys"
                )
        return self

    @property
    def public_urls(self) -> dict[str, list[str]]:
        """The public URLs of every service, and the pages that may use passkeys."""
        return super().public_urls | {"AUTH_PASSKEY_ORIGINS": self._named_pages}

    @property
    def relying_party(self) -> str:
        """The domain that passkeys belong to."""
        return self.passkey_domain or urlsplit(self.auth_issuer).hostname or "localhost"

    @property
    def passkey_pages(self) -> list[str]:
        """The origins of pages that may use passkeys."""
        issuer = urlsplit(self.auth_issuer)
        return self._named_pages or [f"{issuer.scheme}://{issuer.netloc}", *self.cookie_origins]

    @property
    def _named_pages(self) -> list[str]:
        return [origin.strip() for origin in self.passkey_origins.split(",") if origin.strip()]

    @property
    def has_passkeys_on_sign_in_page(self) -> bool:
        """Whether the sign-in page may use passkeys: it is one of the pages, and on the domain, which is a host name."""
        issuer = urlsplit(self.auth_issuer)
        host, domain = issuer.hostname or "", self.relying_party
        return (
            f"{issuer.scheme}://{issuer.netloc}" in self.passkey_pages
            and (host == domain or host.endswith(f".{domain}"))
            and not _NUMBERS.fullmatch(host)
        )
