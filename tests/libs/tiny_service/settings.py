"""The settings of the tiny service."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from dbcommon.settings import DatabaseSettings
from webcommon.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, `TINY_…`, and what it is to do at its start."""

    model_config = SettingsConfigDict(env_prefix="TINY_")

    service: ClassVar[str] = "tiny"

    port: int = Field(ge=1, le=65535, description="The port to listen on.")
    key: SecretStr | None = Field(None, description="A second secret.")
    fail_at_start: bool = Field(False, description="Fail before the first request.")
    never_hands_over: bool = Field(False, description="Have a drain hook that swallows its cancellation.")

    @classmethod
    def read_database(cls, environ: Mapping[str, str]) -> DatabaseSettings | None:
        """None, unless a URL is set, which is then checked."""
        return (
            DatabaseSettings.from_environment(cls.service, environ)
            if environ.get("TINY_DATABASE_URL")
            else None
        )
