"""The settings of Auth, whole."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from auth.settings.google import GoogleSettings
from auth.settings.mail import MailSettings
from auth.settings.passkeys import PasskeySettings
from webcommon.accounts.throttling.limits import Limit
from webcommon.accounts.throttling.settings import ThrottledSettings


class Settings(GoogleSettings, MailSettings, PasskeySettings, ThrottledSettings):
    """The settings of every service, and `AUTH_…`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    service: ClassVar[str] = "auth"

    port: int = Field(5500, ge=1, le=65535, description="The port to listen on.")
    reveal_taken_email: bool = Field(
        False,
        description="true: registering a taken e-mail is told (409); false: it is answered like a new one.",
    )
    key_rotation_days: float = Field(
        30, gt=0, le=365, description="A signing key gets a successor when it is so old."
    )
    key_publish_seconds: float = Field(
        900,
        ge=1,
        le=86_400,
        description="A new signing key is published for so long before it signs.",
    )
    address_changes_per_account: int = Field(
        10,
        ge=1,
        le=10_000,
        description="How often an hour an account may ask for a new e-mail address: each time two addresses get a mail.",
    )
    sweep_seconds: float = Field(60, ge=0.1, le=86_400, description="How often expired rows are deleted.")

    @property
    def stores_shadow_accounts(self) -> bool:
        """Whether an account of a taken address is stored for the look of it, since nobody signs in before confirming."""
        return self.require_verified_email and not self.reveal_taken_email

    @property
    def address_change_limit(self) -> Limit:
        """Of an account's wishes for a new address."""
        return Limit(count=self.address_changes_per_account, window=timedelta(hours=1))

    @property
    def is_https_only(self) -> bool:
        """Whether browsers reach this service by https alone: its own URL says so."""
        return self.auth_issuer.startswith("https://")
