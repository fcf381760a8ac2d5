"""All settings of Payment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from payment.settings.deliveries import DeliverySettings
from payment.settings.stripe import StripeSettings


class Settings(StripeSettings, DeliverySettings):
    """The settings of every service, `STRIPE_…`, and `PAYMENT_…`."""

    model_config = SettingsConfigDict(env_prefix="PAYMENT_")

    service: ClassVar[str] = "payment"

    port: int = Field(3004, ge=1, le=65535, description="The port to listen on.")
    reservation_seconds: int = Field(
        1800,
        ge=60,
        le=86_400,
        description="How long an unpaid order reserves limited stock before it expires.",
    )
    sweep_seconds: float = Field(
        15,
        ge=0.05,
        le=3600,
        description="How often overdue orders are expired and expired idempotency keys are deleted.",
    )
