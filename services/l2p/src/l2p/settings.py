"""The settings of Learn2Play, read from the environment."""

import re
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from webcommon.accounts.throttling.settings import ThrottledSettings

_REDIS_URL = re.compile(
    r"rediss?://([^\s/?#@]*@)?([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/\d*)?(\?\S*)?"
    r"|unix://([^\s/?#@]*@)?/[^\s?]+(\?\S*)?"
)


def _is_redis_url(text: str) -> bool:
    try:
        return _REDIS_URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # a port out of range
        return False


def _check_options(url: str) -> None:
    # Only the client knows them, and importing it takes a third of a second.
    from redis.asyncio import ConnectionPool  # noqa: PLC0415

    try:
        ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError) as error:
        raise ValueError(f"its options are not those of redis-py: {error}") from None


class Settings(ThrottledSettings):
    """The settings of every service, and `L2P_…`."""

    model_config = SettingsConfigDict(env_prefix="L2P_")

    service: ClassVar[str] = "l2p"

    port: int = Field(3001, ge=1, le=65535, description="The port to listen on.")
    issuer: str = Field(
        "http://localhost:3001",
        min_length=1,
        description="`iss` of the tokens that Learn2Play gives to its own accounts; only it accepts them.",
    )
    token_seconds: int = Field(
        14_400,
        ge=60,
        le=86_400,
        description="Lifetime of such a token. It cannot be refreshed, so it should outlast an evening's games.",
    )
    reveal_taken_email: bool = Field(
        False,
        description="Whether registering a taken e-mail address is refused (409), or gets the response of a new account.",
    )

    idle_seconds: int = Field(
        1800,
        ge=30,
        le=86_400,
        description="A lobby to which nobody was connected for so long is closed, and its game aborted.",
    )
    log_days: int = Field(
        7,
        ge=1,
        le=365,
        description="How long the log of a closed lobby stays. Games and results stay for good.",
    )

    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis or Valkey for the notices between processes of Learn2Play; without it PostgreSQL carries them.",
    )

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis_url(url.get_secret_value()):
            raise ValueError(
                "it is no URL; write redis://:password@host:port, rediss://… for TLS, or unix:///socket, with special"
                " characters as %XX"
            )
        if url is not None:
            _check_options(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _check_issuer(self) -> Self:
        if self.issuer == self.auth_issuer:
            raise ValueError("L2P_ISSUER: must differ from AUTH_ISSUER, or tokens could not be told apart")
        return self

    @property
    def public_urls(self) -> dict[str, list[str]]:
        """Those of every service, and the issuer of its own tokens."""
        return super().public_urls | {"L2P_ISSUER": [self.issuer]}
