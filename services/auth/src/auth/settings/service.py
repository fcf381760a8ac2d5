"""All settings of Auth."""

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
        description="true: registering a taken e-mail address answers 409; false: it is answered like a new one.",
    )
    key_rotation_days: float = Field(
        30, gt=0, le=365, description="Age at which a signing key gets a successor."
    )
    key_publish_seconds: float = Field(
        900,
        ge=1,
        le=86_400,
        description="How long a new signing key is published before it signs.",
    )
    address_changes_per_account: int = Field(
        10,
        ge=1,
        le=10_000,
        description="How many e-mail changes an account may request per hour. Each sends two mails.",
    )
    sweep_seconds: float = Field(
        60, ge=0.1, le=86_400, description="Pause between two deletions of expired rows."
    )

    @property
    def stores_shadow_accounts(self) -> bool:
        """Whether registering a taken address stores a shadow account, so that the response reveals nothing."""
        return self.require_verified_email and not self.reveal_taken_email

    @property
    def address_change_limit(self) -> Limit:
        """How many e-mail changes an account may request per hour."""
        return Limit(count=self.address_changes_per_account, window=timedelta(hours=1))

    @property
    def is_https_only(self) -> bool:
        """Whether browsers use https for this service, as the issuer's URL says."""
        return self.auth_issuer.startswith("https://")
