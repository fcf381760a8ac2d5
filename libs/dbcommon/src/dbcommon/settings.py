"""The database and pool of a service, read from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dbcommon.dsn import DEFAULT_PORT, DatabaseUrl, PasswordFile, parse_options, parse_port
from dbcommon.settings_error import SettingsError

CONTAINER_HOST = "shared-postgres"
"""The name of the PostgreSQL container on the compose network."""


STRONG_LENGTH = 16
"""The minimum length of a password in production."""


class PoolSettings(BaseModel):
    """The four numbers of the pool. Times are in seconds."""

    model_config = ConfigDict(frozen=True)

    min: int = Field(default=2, ge=0, le=1000, description="Connections kept open while the database is up.")
    max: int = Field(default=10, ge=1, le=1000, description="Connections a process never exceeds.")
    idle_seconds: float = Field(
        default=30.0, gt=0, description="A connection above the minimum, idle so long, is closed."
    )
    wait_seconds: float = Field(
        default=2.0, gt=0, le=60, description="How long a request waits for a connection."
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(
                f"DB_POOL_MIN ({self.min}) is above DB_POOL_MAX ({self.max}); lower the one or raise the other"
            )
        return self


class DatabaseSettings(BaseModel):
    """One service's database and pool."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    url: DatabaseUrl
    pool: PoolSettings = PoolSettings()

    @classmethod
    def from_environment(cls, service: str, environ: Mapping[str, str] | None = None) -> Self:
        """The settings of `service` ("auth", …): `<SERVICE>_DATABASE_URL`, or the URL put together from its parts.

        Raises `SettingsError` for a wrong connection string or a wrong number of the pool.
        """
        environ = os.environ if environ is None else environ
        return cls(url=read_url(service, environ), pool=read_pool(environ))


def is_configured(service: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment names a database for `service`: a URL or a password."""
    environ = os.environ if environ is None else environ
    prefix = service.upper()
    return any(
        environ.get(f"{prefix}_{name}") for name in ("DATABASE_URL", "DB_PASSWORD", "DB_PASSWORD_FILE")
    )


def read_url(service: str, environ: Mapping[str, str]) -> DatabaseUrl:
    """The URL of the service's runtime role. A complete `<SERVICE>_DATABASE_URL` wins over the parts."""
    prefix = service.upper()
    complete = environ.get(f"{prefix}_DATABASE_URL")
    if complete:
        return DatabaseUrl.parse(complete, variable=f"{prefix}_DATABASE_URL")
    options = _read_options(f"{prefix}_DB_OPTIONS", environ)
    password, file = read_secret(f"{prefix}_DB_PASSWORD", environ), environ.get(f"{prefix}_DB_PASSWORD_FILE")
    return DatabaseUrl(
        user=environ.get(f"{prefix}_DB_USER") or f"{service}_user",
        password=password,
        password_file=PasswordFile(path=Path(file), current=password or "") if file else None,
        hosts=_read_hosts(environ),
        database=environ.get(f"{prefix}_DB_NAME") or f"{service}_db",
        schema=environ.get(f"{prefix}_DB_SCHEMA") or options.pop("schema", None),
        options=options,
        variable=f"{prefix}_DB_*",
        part_variables={
            "host": "POSTGRES_HOST",
            "user": f"{prefix}_DB_USER",
            "password": f"{prefix}_DB_PASSWORD",
            "database": f"{prefix}_DB_NAME",
            "schema": f"{prefix}_DB_SCHEMA",
            "options": f"{prefix}_DB_OPTIONS",
        },
    )


def _read_hosts(environ: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    port = read_port(environ)
    return tuple((host, port) for host in default_host(environ).split(","))


def read_secret(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of `name`, or the content of the file that `<name>_FILE` names, without the final line end."""
    value = environ.get(name)
    path = environ.get(f"{name}_FILE")
    if value and path:
        raise SettingsError(f"{name} and {name}_FILE are both set; keep one of them")
    if not path:
        return value or None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"{name}_FILE: {path} cannot be read ({reason})") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SettingsError(f"{name}_FILE: {path} is empty")
    return secret


def is_weak(secret: str) -> bool:
    """Whether production refuses a secret: shorter than `STRONG_LENGTH`, or of few different characters."""
    return len(secret) < STRONG_LENGTH or len(set(secret)) < STRONG_LENGTH // 2


def default_host(environ: Mapping[str, str]) -> str:
    """An explicit `POSTGRES_HOST`, else `shared-postgres` inside a container and `localhost` outside of one."""
    return environ.get("POSTGRES_HOST") or (CONTAINER_HOST if runs_in_container(environ) else "localhost")


def runs_in_container(environ: Mapping[str, str]) -> bool:
    """Whether this process runs under Docker, Podman or Kubernetes, by their marker files and variables."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return "KUBERNETES_SERVICE_HOST" in environ or any(mark.exists() for mark in marks)


def read_port(environ: Mapping[str, str]) -> int:
    """`POSTGRES_PORT`, 5432 when it is not set."""
    return parse_port(environ.get("POSTGRES_PORT") or str(DEFAULT_PORT), variable="POSTGRES_PORT")


def read_pool(environ: Mapping[str, str]) -> PoolSettings:
    """The pool's numbers: `DB_POOL_MIN`, `DB_POOL_MAX`, `DB_POOL_IDLE_SECONDS`, `DB_POOL_WAIT_SECONDS`."""
    given = {
        field: environ[name]
        for field, name in ((field, f"DB_POOL_{field.upper()}") for field in PoolSettings.model_fields)
        if environ.get(name)
    }
    try:
        return PoolSettings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(*map(_explain, error.errors(include_input=False))) from None


def _explain(entry: Mapping[str, Any]) -> str:
    message: str = entry["msg"].removeprefix("Value error, ")
    return f"DB_POOL_{entry['loc'][0].upper()}: {message}" if entry["loc"] else message


def _read_options(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    text = environ.get(name)
    return parse_options(text, variable=name) if text else {}
