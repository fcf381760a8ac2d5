"""What Auth is told by its environment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from webcommon.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and `AUTH_…`."""

    model_config = SettingsConfigDict(env_prefix="AUTH_")

    service: ClassVar[str] = "auth"

    port: int = Field(5500, ge=1, le=65535, description="The port to listen on.")
    reveal_taken_email: bool = Field(
        False,
        description="true: registering a taken e-mail is told (409); false: it is answered like a new one.",
    )
