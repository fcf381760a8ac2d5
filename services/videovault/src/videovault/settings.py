"""The settings of VideoVault, read from the environment."""

import ipaddress
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from dbcommon.settings import DatabaseSettings, is_configured
from webcommon.settings import ServiceSettings


class Settings(ServiceSettings):
    """VideoVault's settings. `database` is None where the library lives in the browser."""

    model_config = SettingsConfigDict(env_prefix="VIDEOVAULT_")

    service: ClassVar[str] = "videovault"

    port: int = Field(5100, ge=1, le=65535, description="The port to listen on.")
    persistence: Literal["auto", "server", "client"] = Field(
        "auto",
        description="server: PostgreSQL; client: no database, the browser keeps the library; auto: server when a database is configured.",
    )
    access: Literal["token", "open"] = Field(
        "token",
        description="token: signed-in users read, editors and admins write; open: no token, on loopback only.",
    )
    index_seconds: float = Field(
        5,
        ge=0.05,
        le=3600,
        description="How often words are made of videos that were written without them, by plain SQL or in large numbers.",
    )

    media_roots: str = Field(
        "",
        description="Folders that videos may be scanned and streamed from, comma separated, absolute; none by default.",
    )
    scan_ignore: str = Field(
        "",
        description="Names of files and folders that scans pass over, comma separated, with * and ? as wildcards.",
    )

    media_workers: int = Field(
        2,
        ge=0,
        le=64,
        description="Processes at a time that read what films hold; with 0 films are neither probed nor pictured.",
    )
    media_seconds: int = Field(
        60, ge=1, le=3600, description="How long one of these may take for a film, also of the processor."
    )
    media_memory_mb: int = Field(
        1024, ge=256, le=65536, description="How much memory one of these may take, in MiB of addresses."
    )

    cache_folder: str | None = Field(
        None,
        description="Where pictures of films are kept, which can be made anew; absolute. By default a temporary folder of the user.",
    )
    cache_mb: int = Field(
        1024,
        ge=16,
        le=2**20,
        description="How much room pictures of films take, in MiB; the least used are thrown out.",
    )

    @field_validator("media_roots")
    @classmethod
    def _check_media_roots(cls, text: str) -> str:
        for folder in split_list(text):
            if not folder.startswith("/"):
                raise ValueError(f"{folder!r} is no absolute path; write /srv/films")
        return text

    @field_validator("cache_folder")
    @classmethod
    def _check_cache_folder(cls, folder: str | None) -> str | None:
        if folder is not None and not folder.startswith("/"):
            raise ValueError(f"{folder!r} is no absolute path; write /var/cache/quartet")
        return folder

    @model_validator(mode="after")
    def _check_persistence(self) -> Self:
        if self.persistence == "server" and self.database is None:
            raise ValueError(
                "VIDEOVAULT_PERSISTENCE: server needs a database; set VIDEOVAULT_DATABASE_URL or VIDEOVAULT_DB_PASSWORD,"
                " or choose auto or client"
            )
        return self

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        if self.access == "open" and not is_loopback(self.host):
            raise ValueError(
                "VIDEOVAULT_ACCESS: open serves everybody who reaches the port, so VIDEOVAULT_HOST must be"
                f" 127.0.0.1, ::1 or localhost, not {self.host}; correct the host or choose token"
            )
        return self

    @property
    def media_folders(self) -> tuple[bytes, ...]:
        """The folders of `media_roots`."""
        return tuple(os.fsencode(folder) for folder in split_list(self.media_roots))

    @property
    def picture_cache(self) -> Path:
        """The folder of `cache_folder`."""
        if self.cache_folder is not None:
            return Path(self.cache_folder)
        return Path(tempfile.gettempdir()) / f"quartet-videovault-{os.getuid()}"

    @property
    def ignored_names(self) -> tuple[str, ...]:
        """The patterns of `scan_ignore`."""
        return tuple(split_list(self.scan_ignore))

    @classmethod
    def read_database(cls, environ: Mapping[str, str]) -> DatabaseSettings | None:
        """None where no database is configured, or where `VIDEOVAULT_PERSISTENCE` says `client`."""
        if environ.get("VIDEOVAULT_PERSISTENCE") == "client" or not is_configured(cls.service, environ):
            return None
        return DatabaseSettings.from_environment(cls.service, environ)


def split_list(text: str) -> list[str]:
    """What a setting lists."""
    return [part.strip() for part in text.split(",") if part.strip()]


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
