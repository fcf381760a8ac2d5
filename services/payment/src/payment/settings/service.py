"""All settings of Payment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from payment.settings.deliveries import DeliverySettings
from payment.settings.stripe import StripeSettings

DEVELOPMENT_ORIGINS = tuple(
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 3004, 5173, 8000)
)


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
    checkout_return_origins: str = Field(
        "",
        description="Origins to which buyers may return from Stripe's page, comma separated, such as "
        "https://shop.example.com. In development without it, ports 3000, 3004, 5173 and 8000 of this machine.",
    )
    sweep_seconds: float = Field(
        15,
        ge=0.05,
        le=3600,
        description="How often overdue orders are expired and expired idempotency keys are deleted.",
    )
    event_seconds: float = Field(
        1,
        ge=0.05,
        le=3600,
        description="How often events of Stripe that another process has stored are looked for.",
    )

    reconcile_seconds: float = Field(
        3600,
        ge=60,
        le=86_400,
        description="How often Stripe is compared with the database, and its truth applied, by one process at a time.",
    )

    check_seconds: float = Field(
        300,
        ge=60,
        le=86_400,
        description="How often one of the processes checks the books, as `quartet payment check` does, for /metrics.",
    )

    @property
    def checkout_origins(self) -> tuple[str, ...]:
        """Origins to which buyers may return."""
        given = tuple(each.strip() for each in self.checkout_return_origins.split(",") if each.strip())
        return given or (DEVELOPMENT_ORIGINS if self.environment != "production" else ())
