"""What shall be there: four services, each with a database, an owner role and a runtime role, and the role of backups."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from quartet.provision.append_only import append_only_tables
from quartet.schema import BACKUP_USER

SERVICES = ("auth", "l2p", "payment", "videovault")

REQUIRED_EXTENSIONS = ("citext", "pg_trgm")
OPTIONAL_EXTENSIONS = ("btree_gist", "unaccent")
ADVISORY_LOCKS = tuple(
    f"pg_catalog.pg_{attempt}advisory_{scope}lock{mode}({arguments})"
    for attempt in ("", "try_")
    for scope in ("", "xact_")
    for mode in ("", "_shared")
    for arguments in ("bigint", "integer,integer")
)
"""What takes advisory locks. One statement could fill the lock table of the whole server with them, or keep the lock of the
migrations; only the owner role, which migrates, may. Services lock tables and rows."""

FORBIDDEN_EXTENSIONS = (
    *("adminpack", "dblink", "file_fdw", "postgres_fdw"),
    *("plperlu", "plpython3u", "plpythonu", "pltclu"),
)
"""What reaches other databases, files or programs of the server."""

RUNTIME_DEFAULTS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
"""Defaults of a runtime role in its database; a session may change them."""

RUNTIME_WALLS = {"temp_file_limit": "512MB"}
"""Limits that only a superuser can lift."""

BACKUP_CONNECTIONS = 6
"""A dump with its snapshot, a base backup, the receiver of the WAL, and a spare of each."""

SPARE_CONNECTIONS = 6 + BACKUP_CONNECTIONS
"""For backups, the superuser, a monitor, and those that `superuser_reserved_connections` keeps back."""


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """One service's database and its two roles."""

    service: str
    database: str
    schema: str = "public"
    user: str
    user_password: str = field(repr=False)
    owner: str
    owner_password: str = field(repr=False)
    user_connections: int = 12  # a pool of 10, a listener, a spare
    owner_connections: int = 12  # migrations of ten replicas may wait for one another
    remembered_tables: Path | None = field(default=None, compare=False)

    @cached_property
    def append_only(self) -> frozenset[str]:
        """The tables on which the runtime role may only read and insert."""
        return append_only_tables(self.service, remembered=self.remembered_tables)

    @classmethod
    def named(cls, service: str, *, user_password: str, owner_password: str) -> "ServicePlan":
        """The plan of a service with the usual names: `auth_db`, `auth_user`, `auth_owner`."""
        return cls(
            service=service,
            database=f"{service}_db",
            user=f"{service}_user",
            user_password=user_password,
            owner=f"{service}_owner",
            owner_password=owner_password,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The services of one server, and who backs them up: a role that reads every table and changes none."""

    services: tuple[ServicePlan, ...]
    backup_password: str = field(repr=False)
    backup_user: str = BACKUP_USER

    @classmethod
    def generated(cls) -> "Plan":
        """The usual names with fresh passwords, for a server that is thrown away."""
        return cls(
            services=tuple(
                ServicePlan.named(
                    service,
                    user_password=secrets.token_urlsafe(32),
                    owner_password=secrets.token_urlsafe(32),
                )
                for service in SERVICES
            ),
            backup_password=secrets.token_urlsafe(32),
        )

    def __iter__(self) -> Iterator[ServicePlan]:
        return iter(self.services)

    def __getitem__(self, service: str) -> ServicePlan:
        for planned in self.services:
            if planned.service == service:
                return planned
        raise KeyError(service)

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of all roles that the plan governs."""
        return (*(role for service in self for role in (service.owner, service.user)), self.backup_user)

    @property
    def max_connections(self) -> int:
        """What the server must allow so that every role can reach its limit at once."""
        used = sum(service.user_connections + service.owner_connections for service in self)
        return used + SPARE_CONNECTIONS


@dataclass(frozen=True, kw_only=True)
class AdminConnection:
    """How to reach the server as its superuser."""

    host: str
    port: int
    user: str = "postgres"
    password: str = field(repr=False)
    database: str = "postgres"
