"""Where a service's database is and how its pool behaves, read from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dbcommon.dsn import DEFAULT_PORT, DatabaseUrl, DatabaseUrlError

CONTAINER_HOST = "shared-postgres"
"""The name of the PostgreSQL container on the compose network."""


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

        Raises `DatabaseUrlError` for a wrong connection string, `ValueError` for a wrong pool number; both name the variable.
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
    return DatabaseUrl(
        user=environ.get(f"{prefix}_DB_USER") or f"{service}_user",
        password=read_secret(f"{prefix}_DB_PASSWORD", environ),
        hosts=((default_host(environ), read_port(environ)),),
        database=environ.get(f"{prefix}_DB_NAME") or f"{service}_db",
        schema=environ.get(f"{prefix}_DB_SCHEMA") or None,
        options=_read_options(f"{prefix}_DB_OPTIONS", environ),
        variable=f"{prefix}_DB_*",
    )


def read_secret(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of `name`, or the content of the file that `<name>_FILE` points at, without its last line end."""
    value = environ.get(name)
    path = environ.get(f"{name}_FILE")
    if value and path:
        raise DatabaseUrlError(f"{name} and {name}_FILE are both set; keep one of them")
    if not path:
        return value or None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise DatabaseUrlError(f"{name}_FILE: {path} cannot be read ({reason})") from None
    return text.removesuffix("\n").removesuffix("\r") or None


def default_host(environ: Mapping[str, str]) -> str:
    """An explicit `POSTGRES_HOST`, else `shared-postgres` inside a container and `localhost` outside of one."""
    return environ.get("POSTGRES_HOST") or (CONTAINER_HOST if runs_in_container(environ) else "localhost")


def runs_in_container(environ: Mapping[str, str]) -> bool:
    """Whether this process runs under Docker, Podman or Kubernetes, by the marks that each of them leaves."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return "KUBERNETES_SERVICE_HOST" in environ or any(mark.exists() for mark in marks)


def read_port(environ: Mapping[str, str]) -> int:
    """`POSTGRES_PORT`, 5432 when it is not set."""
    text = environ.get("POSTGRES_PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise DatabaseUrlError(f"POSTGRES_PORT: {text!r} is not a port from 1 to 65535")
    return int(text)


def read_pool(environ: Mapping[str, str]) -> PoolSettings:
    """The pool's numbers: `DB_POOL_MIN`, `DB_POOL_MAX`, `DB_POOL_IDLE_SECONDS`, `DB_POOL_WAIT_SECONDS`."""
    given = {
        field: environ[name]
        for field, name in ((field, f"DB_POOL_{field.upper()}") for field in PoolSettings.model_fields)
        if environ.get(name)
    }
    return PoolSettings.model_validate(given)


def _read_options(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    text = environ.get(name)
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, strict_parsing=True))
    except ValueError:
        raise DatabaseUrlError(
            f"{name}: write name=value pairs joined by &, such as sslmode=require"
        ) from None
