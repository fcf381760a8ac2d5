"""Settings that every service has, read from the environment: `<SERVICE>_…` for its own, plain names for shared ones."""

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import STRONG_LENGTH, DatabaseSettings, is_weak, read_secret
from dbcommon.settings_error import SettingsError
from webcommon.keys import MINIMUM_SECRET_LENGTH

Environment = Literal["development", "production"]
LogFormat = Literal["auto", "json", "console"]

_JWKS_PATH = "/.well-known/jwks.json"

_WEB_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class ServiceSettings(BaseSettings):
    """The settings of every service. A subclass sets `service` and the matching `env_prefix`.

    `database` is None in a service without one; most derive from `DatabaseServiceSettings`.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
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
        "",
        description="Origins that browsers may call from, comma separated; none by default. In production each is https.",
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
        description="Auth's URL as clients know it; `iss` of its tokens. In production it is https.",
    )
    auth_jwks_url: str | None = Field(
        None,
        validation_alias="AUTH_JWKS_URL",
        description="Where the services fetch Auth's keys; AUTH_ISSUER/.well-known/jwks.json by default.",
    )
    auth_revocations_url: str | None = Field(
        None,
        validation_alias="AUTH_REVOCATIONS_URL",
        description="Where the services read which sessions have ended; /v1/revocations beside AUTH_JWKS_URL by default.",
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
        description="How long after SIGTERM requests are still accepted, while /readyz says 503.",
    )
    grace_seconds: float = Field(
        20,
        ge=0,
        le=300,
        validation_alias="SHUTDOWN_GRACE_SECONDS",
        description="How long running requests may then take to finish.",
    )

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if len(text) < MINIMUM_SECRET_LENGTH:
            raise ValueError(f"at least {MINIMUM_SECRET_LENGTH} characters are needed")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("it is not valid UTF-8")
        return secret

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, text: str) -> str:
        # Credentials are allowed, so a wildcard would admit every origin.
        for origin in _split_origins(text):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin; write https://host or https://host:port, no path, no *"
                )
        return text

    @field_validator("auth_issuer", "auth_jwks_url", "auth_revocations_url")
    @classmethod
    def _check_url(cls, text: str | None) -> str | None:
        if text is not None and not _WEB_URL.fullmatch(text):
            raise ValueError("it is no URL; write http://host:port or https://host")
        return text

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.environment == "production":
            _refuse_weak(
                f"{self.service.upper()}_SECRET", self.secret.get_secret_value(), MINIMUM_SECRET_LENGTH
            )
            if self.database is not None and self.database.url.password is not None:
                url = self.database.url
                name = url.part_variables.get("password", url.variable)
                _refuse_weak(name, self.database.url.password, STRONG_LENGTH)
        return self

    @model_validator(mode="after")
    def _demand_https(self) -> Self:
        # AUTH_JWKS_URL and AUTH_REVOCATIONS_URL are exempt: they may be addresses of an internal network.
        for name, urls in self.public_urls.items():
            for url in urls if self.environment == "production" else ():
                if not url.startswith("https://"):
                    raise ValueError(
                        f"{name}: production needs https, unlike {url!r}; give a URL that browsers reach by TLS"
                    )
        return self

    @property
    def public_urls(self) -> dict[str, list[str]]:
        """The URLs in tokens, links and browsers, by their settings; a service with more adds them."""
        return {
            "AUTH_ISSUER": [self.auth_issuer],
            f"{self.service.upper()}_CORS_ORIGINS": _split_origins(self.cors_origins),
        }

    @property
    def jwks_url(self) -> str:
        """The URL of Auth's public keys."""
        return self.auth_jwks_url or default_jwks_url(self.auth_issuer)

    @property
    def revocations_url(self) -> str:
        """The URL of Auth's ended sessions."""
        return self.auth_revocations_url or default_revocations_url(
            self.jwks_url, auth_issuer=self.auth_issuer
        )

    @property
    def is_https_only(self) -> bool:
        """Whether browsers are known to reach this service by https only. A proxy that ends TLS does not tell."""
        return False

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `cors_origins`."""
        return _split_origins(self.cors_origins)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only; `from_environment` reads the environment."""
        return (init_settings,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings of this process. Raises `SettingsError` with a line for each that is wrong or missing.

        An empty variable counts as not set; `<NAME>_FILE` names a file with the secret `NAME`, as containers mount them.
        """
        environ = os.environ if environ is None else environ
        values, lines = _read_fields(cls, environ)
        try:
            values["database"] = cls.read_database(environ)
        except SettingsError as error:
            lines += error.lines
            values["database"] = _PLACEHOLDER_DATABASE
        try:
            settings = cls(**values)
        except ValidationError as error:
            lines += _explain(error, settings=cls)
        if lines:
            raise SettingsError(*lines)
        return settings

    @classmethod
    def read_database(cls, environ: Mapping[str, str]) -> DatabaseSettings | None:  # noqa: ARG003 - for those that override it
        """The database's settings; None here. Raises `SettingsError`."""
        return None


class DatabaseServiceSettings(ServiceSettings):
    """The settings of a service that cannot run without its database."""

    database: DatabaseSettings = Field(exclude=True)

    @classmethod
    def read_database(cls, environ: Mapping[str, str]) -> DatabaseSettings:
        """The database's settings. Raises `SettingsError`."""
        return DatabaseSettings.from_environment(cls.service, environ)


def _refuse_weak(name: str, secret: str, length: int) -> None:
    if is_weak(secret):
        raise ValueError(f"{name}: too weak for production; give at least {length} random characters")


def default_jwks_url(auth_issuer: str) -> str:
    """The default of AUTH_JWKS_URL."""
    return f"{auth_issuer.rstrip('/')}{_JWKS_PATH}"


def default_revocations_url(jwks_url: str, *, auth_issuer: str) -> str:
    """The default of AUTH_REVOCATIONS_URL: beside the keys."""
    base = jwks_url.removesuffix(_JWKS_PATH) if jwks_url.endswith(_JWKS_PATH) else auth_issuer.rstrip("/")
    return f"{base}/v1/revocations"


def _split_origins(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",") if origin.strip()]


# Stands in for a value that has its error line already, so that it is not reported as missing too.
_PLACEHOLDER = "".join(chr(code) for code in range(ord("0"), ord("z")))
_PLACEHOLDER_DATABASE = DatabaseSettings(
    url=DatabaseUrl(user="nobody", hosts=(("nowhere", 1),), database="nothing")
)


def _read_fields(
    settings: type[ServiceSettings], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    lines: list[str] = []
    for field_name, field in settings.model_fields.items():
        name = environment_name(settings, field_name, field)
        try:
            value = read_secret(name, environ) if _is_secret(field) else environ.get(name)
        except SettingsError as error:
            lines += error.lines
            value = _PLACEHOLDER
        if value and field_name != "database":
            values[field_name] = value
    return values, lines


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or field.annotation == (SecretStr | None)


def environment_name(settings: type[BaseSettings], field_name: str, field: FieldInfo) -> str:
    """The environment variable of a field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    return str(alias) if alias else f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()


class SettingDescription(BaseModel):
    """A setting in the operator's documentation."""

    name: str
    default: str | None
    description: str
    secret: bool


def describe_settings(settings: type[ServiceSettings]) -> list[SettingDescription]:
    """Every setting of a service, except its database's, which `dbcommon.settings` names."""
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
    # Pydantic reports an error under a field's alias, which is the variable, or else under its name.
    place = str(entry["loc"][0])
    field = settings.model_fields.get(place)
    name = environment_name(settings, place, field) if field else place
    if entry["type"] == "missing":
        return f"{name} is not set; `quartet up` makes one, or set it in the environment or in .env"
    return f"{name}: {message}"
