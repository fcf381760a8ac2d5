"""Settings of the processor, Stripe. Without a key they are those of the project's own stand-in for it."""

import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from webcommon.settings import DatabaseServiceSettings

STRIPE_API_BASE = "https://api.stripe.com"

STANDIN_URL = "http://127.0.0.1:8420"
STANDIN_SECRET_KEY = "sk_test_quartet_standin"  # noqa: S105 - anybody may know it
STANDIN_PUBLISHABLE_KEY = "pk_test_quartet_standin"
STANDIN_WEBHOOK_SECRET = "whsec_quartet_standin"  # noqa: S105 - anybody may know it
STANDIN_SECRETS = frozenset({STANDIN_SECRET_KEY, STANDIN_PUBLISHABLE_KEY, STANDIN_WEBHOOK_SECRET})

_SECRET_KEY = re.compile(r"[sr]k_(test|live)_[A-Za-z0-9_]+")
_PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_[A-Za-z0-9_]+")
_BASE = re.compile(r"https?://[^\s/?#@]+")


class StripeSettings(DatabaseServiceSettings):
    """Payment's settings for Stripe."""

    stripe_secret_key: SecretStr | None = Field(
        None,
        validation_alias="STRIPE_SECRET_KEY",
        description="The secret key of the account at Stripe. Without it the project's stand-in for Stripe is used, "
        "which production refuses.",
    )
    stripe_publishable_key: str | None = Field(
        None,
        validation_alias="STRIPE_PUBLISHABLE_KEY",
        description="The key with which browsers confirm payments, of the same account and mode; production needs it.",
    )
    stripe_webhook_secrets: SecretStr | None = Field(
        None,
        validation_alias="STRIPE_WEBHOOK_SECRETS",
        description="The signing secrets of the webhook endpoint, comma separated: two while one is rolled.",
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None,
        validation_alias="STRIPE_WEBHOOK_SECRET",
        description="The same, for one. Production needs at least one of the two.",
    )
    stripe_api_base: str | None = Field(
        None,
        validation_alias="STRIPE_API_BASE",
        description=f"Where the API is, without /v1: {STRIPE_API_BASE} with a key, STRIPE_STANDIN_URL without.",
    )
    stripe_standin_url: str = Field(
        STANDIN_URL,
        validation_alias="STRIPE_STANDIN_URL",
        description="Where the stand-in is that is used without a key; `quartet up` says so.",
    )
    stripe_allow_test_key: bool = Field(
        False,
        validation_alias="STRIPE_ALLOW_TEST_KEY",
        description="true: production takes a key of Stripe's test mode, with which no money moves.",
    )
    stripe_timeout_seconds: float = Field(
        8,
        gt=0,
        le=10,
        validation_alias="STRIPE_TIMEOUT_SECONDS",
        description="How long a call of Stripe may take, with all of its retries.",
    )
    stripe_max_rps: float = Field(
        20,
        gt=0,
        le=1000,
        validation_alias="STRIPE_MAX_RPS",
        description="Requests a second that the background work of one process sends to Stripe at most.",
    )

    @field_validator("stripe_secret_key")
    @classmethod
    def _check_secret_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _SECRET_KEY.fullmatch(key.get_secret_value()):
            raise ValueError("it is no secret key of Stripe; give one that begins with sk_ or rk_")
        return key

    @field_validator("stripe_publishable_key")
    @classmethod
    def _check_publishable_key(cls, key: str | None) -> str | None:
        if key is not None and not _PUBLISHABLE_KEY.fullmatch(key):
            raise ValueError("it is no publishable key of Stripe; give one that begins with pk_")
        return key

    @field_validator("stripe_api_base", "stripe_standin_url")
    @classmethod
    def _check_base(cls, text: str | None) -> str | None:
        base = None if text is None else text.removesuffix("/")
        if base is not None and not _BASE.fullmatch(base):
            raise ValueError(f"{text!r} is no base; write https://host or http://host:port, without /v1")
        return base

    @model_validator(mode="after")
    def _refuse_unsafe_stripe(self) -> Self:
        if self.environment == "production":
            _refuse_standin(self)
            _refuse_half_an_account(self)
        return self

    @property
    def api_key(self) -> str:
        """The key that calls are made with."""
        key = self.stripe_secret_key
        return STANDIN_SECRET_KEY if key is None else key.get_secret_value()

    @property
    def uses_standin(self) -> bool:
        """Whether the processor is the stand-in, since there is no key."""
        return self.stripe_secret_key is None

    @property
    def api_base(self) -> str:
        """Where calls go, without `/v1`."""
        return self.stripe_api_base or (self.stripe_standin_url if self.uses_standin else STRIPE_API_BASE)

    @property
    def publishable_key(self) -> str | None:
        """The key for browsers; None if it is not set beside a key."""
        return self.stripe_publishable_key or (STANDIN_PUBLISHABLE_KEY if self.uses_standin else None)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Each of them may have signed a webhook."""
        given = [self.stripe_webhook_secrets, self.stripe_webhook_secret]
        texts = [each.get_secret_value() for each in given if each is not None]
        secrets = [secret.strip() for text in texts for secret in text.split(",") if secret.strip()]
        if not secrets and self.uses_standin:
            secrets = [STANDIN_WEBHOOK_SECRET]
        return tuple(dict.fromkeys(secrets))

    @property
    def is_live(self) -> bool:
        """Whether the key is one of the live mode; events of the other mode are not ours."""
        return _is_live(self.api_key)


def _is_live(key: str) -> bool:
    return key.split("_")[1] == "live"


def _refuse_standin(settings: StripeSettings) -> None:
    if settings.stripe_secret_key is None:
        raise ValueError(
            "STRIPE_SECRET_KEY is not set; production needs the key of an account, not the stand-in"
        )
    if not settings.api_base.startswith("https://"):
        raise ValueError(
            f"STRIPE_API_BASE: production needs https, unlike {settings.api_base!r}; leave it out for Stripe's own"
        )
    given: dict[str, set[str | None]] = {
        "STRIPE_SECRET_KEY": {settings.api_key},
        "STRIPE_PUBLISHABLE_KEY": {settings.publishable_key},
        "STRIPE_WEBHOOK_SECRETS": {*settings.webhook_secrets},
    }
    for name, values in given.items():
        if values & STANDIN_SECRETS:
            raise ValueError(f"{name}: it is the stand-in's, which anybody knows; give that of your account")


def _refuse_half_an_account(settings: StripeSettings) -> None:
    if not settings.is_live and not settings.stripe_allow_test_key:
        raise ValueError(
            "STRIPE_SECRET_KEY: it is a key of the test mode, with which no money moves; give one that begins with "
            "sk_live_ or rk_live_, or set STRIPE_ALLOW_TEST_KEY=true"
        )
    if settings.publishable_key is None:
        raise ValueError("STRIPE_PUBLISHABLE_KEY is not set; browsers confirm payments with it")
    if _is_live(settings.publishable_key) != settings.is_live:
        raise ValueError(
            "STRIPE_PUBLISHABLE_KEY: it is of another mode than STRIPE_SECRET_KEY; give both of one mode"
        )
    if not settings.webhook_secrets:
        raise ValueError(
            "STRIPE_WEBHOOK_SECRETS is not set; give the signing secret of the webhook endpoint at Stripe"
        )
