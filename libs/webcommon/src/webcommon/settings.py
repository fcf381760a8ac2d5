"""Settings that every service has, read from the environment: `<SERVICE>_…` for its own, plain names for shared ones."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dbcommon.dsn import DatabaseUrlError
from dbcommon.settings import DatabaseSettings
from webcommon.keys import MINIMUM_SECRET_LENGTH
from webcommon.logs import LogFormat

Environment = Literal["development", "production"]


class SettingsError(Exception):
    """One or more settings are wrong; one line each, naming the variable and what to do."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class ServiceSettings(BaseSettings):
    """What every service is told. A subclass names `service` and sets `env_prefix` to match."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, arbitrary_types_allowed=True
    )

    service: ClassVar[str]

    environment: Environment = Field(
        "development",
        validation_alias="QUARTET_ENV",
        description="development or production; production refuses unsafe settings.",
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(ge=1, le=65535, description="The port to listen on.")
    secret: SecretStr = Field(
        description="At least 32 random characters, the same on every replica; other keys are derived from it."
    )
    cors_origins: str = Field(
        "", description="Origins that browsers may call from, comma separated; none by default."
    )
    database: DatabaseSettings | None = Field(None, exclude=True)

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="LOG_LEVEL", description="debug, info, warning or error."
    )
    log_format: LogFormat = Field(
        "auto",
        validation_alias="LOG_FORMAT",
        description="json, console, or auto: console on a terminal, else json.",
    )
    auth_issuer: str = Field(
        "http://localhost:5500",
        validation_alias="AUTH_ISSUER",
        description="Auth's URL as clients know it; `iss` of its tokens.",
    )
    auth_jwks_url: str | None = Field(
        None,
        validation_alias="AUTH_JWKS_URL",
        description="Where the services fetch Auth's keys; AUTH_ISSUER/.well-known/jwks.json by default.",
    )
    auth_audience: str = Field(
        "quartet",
        validation_alias="AUTH_AUDIENCE",
        description="`aud` of access tokens, one value for the suite.",
    )
    drain_seconds: float = Field(
        0,
        ge=0,
        le=300,
        validation_alias="SHUTDOWN_DRAIN_SECONDS",
        description="After SIGTERM /readyz says 503 for so long while requests are still taken.",
    )
    grace_seconds: float = Field(
        20,
        ge=0,
        le=300,
        validation_alias="SHUTDOWN_GRACE_SECONDS",
        description="Then running requests get so long to finish.",
    )

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if len(self.secret.get_secret_value()) < MINIMUM_SECRET_LENGTH:
            raise ValueError(
                f"{self.service.upper()}_SECRET: at least {MINIMUM_SECRET_LENGTH} characters are needed"
            )
        return self

    @property
    def jwks_url(self) -> str:
        """Where Auth's public keys are."""
        return self.auth_jwks_url or f"{self.auth_issuer.rstrip('/')}/.well-known/jwks.json"

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `cors_origins`."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and `NAME_FILE` stands in for the secret `NAME`."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings of this process. Raises `SettingsError` with a line for each that is wrong or missing."""
        environ = os.environ if environ is None else environ
        try:
            return cls(database=cls.read_database(environ))
        except ValidationError as error:
            raise SettingsError(_explain(error, settings=cls)) from None
        except DatabaseUrlError as error:
            raise SettingsError([str(error)]) from None

    @classmethod
    def read_database(cls, environ: Mapping[str, str]) -> DatabaseSettings | None:
        """Where the database is; a service that can do without one overrides this."""
        return DatabaseSettings.from_environment(cls.service, environ)


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `<NAME>_FILE` for secret fields, as container secrets are mounted."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = environment_name(self.settings_cls, field_name, field)
        path = os.environ.get(f"{name}_FILE")
        if not path or not _is_secret(field):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError):
            raise SettingsError([f"{name}_FILE: {path} cannot be read"]) from None

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or field.annotation == (SecretStr | None)


def environment_name(settings: type[BaseSettings], field_name: str, field: FieldInfo) -> str:
    """The environment variable of a field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    return str(alias) if alias else f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()


class SettingDescription(BaseModel):
    """One setting as an operator sees it."""

    name: str
    default: str | None
    description: str
    secret: bool


def describe_settings(settings: type[ServiceSettings]) -> list[SettingDescription]:
    """Every setting of a service but those of its database, which `dbcommon.settings` names."""
    return [
        SettingDescription(
            name=environment_name(settings, name, field),
            default=None if field.is_required() or field.default is None else _spell(field.default),
            description=field.description or "",
            secret=_is_secret(field),
        )
        for name, field in settings.model_fields.items()
        if name != "database"
    ]


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _explain(error: ValidationError, *, settings: type[ServiceSettings]) -> list[str]:
    return [_explain_one(entry, settings) for entry in error.errors(include_url=False, include_input=False)]


def _explain_one(entry: Mapping[str, Any], settings: type[ServiceSettings]) -> str:
    message: str = entry["msg"].removeprefix("Value error, ")
    if not entry["loc"]:
        return message
    place = str(entry["loc"][0])
    field = settings.model_fields.get(place)
    name = environment_name(settings, place, field) if field else f"DB_POOL_{place.upper()}"
    if entry["type"] == "missing":
        return f"{name} is not set; `quartet up` makes one, or set it in the environment or in .env"
    return f"{name}: {message}"
