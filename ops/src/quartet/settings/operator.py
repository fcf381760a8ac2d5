"""The settings of one stack: the process's environment, then `.env`, then what was generated, then defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import STRONG_LENGTH, default_host, is_weak, read_url
from dbcommon.settings_error import SettingsError
from quartet.errors import NotFound, WrongPassword, WrongSettings
from quartet.home import Home
from quartet.provision.plan import SERVICES, AdminConnection, Plan, ServicePlan
from quartet.settings.catalogue import (
    GOVERNED_PREFIXES,
    Setting,
    explain_unknown,
    known_settings,
    recall_settings,
    remember_settings,
)
from quartet.settings.secrets_file import FILE_NAME, ensure_secrets, read_secrets
from webcommon.app.drain import longest_stop

Role = Literal["user", "owner", "admin"]
OWNER_CONNECTIONS = 12
MOST_REPLICAS = 8
"""Processes of a service on one machine; with more cores than that, take a load balancer."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  compared with, not bound to
SPARE_PER_PROCESS = 2  # a listener and a health probe beside the pool
ADMIN_PASSWORD = "POSTGRES_PASSWORD"  # noqa: S105  the name of a setting

BACKUP_PASSWORD = "BACKUP_DB_PASSWORD"  # noqa: S105  the name of a setting

LOOPBACK = "127.0.0.1"
STRIPE_STANDIN = "stripe_standin"
"""The stand-in for Stripe, as a program of the stack."""

ISSUERS = {"AUTH_ISSUER": "auth", "L2P_ISSUER": "l2p"}
"""Settings that hold a service's own URL, which follows its port unless it was given."""

GENERATED = (
    ADMIN_PASSWORD,
    BACKUP_PASSWORD,
    *(
        f"{service.upper()}_{name}"
        for service in SERVICES
        for name in ("SECRET", "DB_PASSWORD", "DB_OWNER_PASSWORD")
    ),
)
"""Secrets that `quartet up` generates at the first start."""


@dataclass(frozen=True)
class Server:
    """Where PostgreSQL listens."""

    host: str
    port: int


class OperatorSettings:
    """All settings, given, generated or default, and what is derived from them."""

    def __init__(self, explicit: Mapping[str, str], *, folder: Path) -> None:
        self.explicit = dict(explicit)
        self.warnings: list[str] = []
        self.home = Home(folder / self.explicit.get("QUARTET_HOME", ".quartet"))
        self.generated = read_secrets(self.home.path)

    @cached_property
    def known(self) -> dict[str, Setting]:
        """All settings there are, by name."""
        return {setting.name: setting for setting in known_settings(self.home.remembered_settings)}

    def prepare_home(self) -> None:
        """Make the state folder. Raises NoPermission or DiskFull."""
        self.home.prepare()
        if recall_settings(self.home.remembered_settings) is None:
            remember_settings(self.known.values(), self.home.remembered_settings)

    @property
    def named_bindir(self) -> Path | None:
        """The folder of PostgreSQL's programs, if PG_BINDIR names one."""
        named = self.explicit.get("PG_BINDIR")
        return Path(named) if named else None

    @property
    def replicas(self) -> int:
        """Processes of each service that `quartet up` starts. Raises WrongSettings."""
        return self.number("QUARTET_REPLICAS", 1, highest=MOST_REPLICAS)

    @property
    def longest_service_stop(self) -> float:
        """Seconds after SIGTERM in which every service ends by itself."""
        return longest_stop(
            drain_seconds=self._seconds("SHUTDOWN_DRAIN_SECONDS"),
            grace_seconds=self._seconds("SHUTDOWN_GRACE_SECONDS"),
        )

    @property
    def runs_backups(self) -> bool:
        """Whether `quartet up` backs the databases up. Raises WrongSettings."""
        return self.number("BACKUP", 0, lowest=0, highest=1) == 1

    @property
    def runs_stripe_standin(self) -> bool:
        """Whether `quartet up` starts the stand-in for Stripe. Raises WrongSettings."""
        is_wanted = self.number("STRIPE_STANDIN", 1, lowest=0, highest=1) == 1
        elsewhere = {"STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY_FILE", "STRIPE_API_BASE", "STRIPE_STANDIN_URL"}
        return is_wanted and not self.is_production and not elsewhere & self.explicit.keys()

    @property
    def is_production(self) -> bool:
        """Whether weak passwords are refused."""
        return self.explicit.get("QUARTET_ENV") == "production"

    def generate_secrets(self, *, cluster_exists: bool) -> None:
        """Generate the secrets that are missing. Raises WrongPassword when those of an existing cluster are lost."""
        if cluster_exists and self.secret(ADMIN_PASSWORD) is None:
            raise WrongPassword(
                f"{self.home.path / FILE_NAME} is gone, and with it the passwords of the data in"
                f" {self.home.cluster_folder()}: put the file back, or move that folder away to start empty"
            )
        wanted = [name for name in GENERATED if self.secret(name) is None]
        if wanted:
            self.generated = ensure_secrets(self.home.path, [*self.generated, *wanted])

    def value(self, name: str) -> str | None:
        """The value of a setting: given, read from its file, generated, or the default.

        Raises NotFound for a name that is no setting.
        """
        if name not in self.known:
            raise NotFound(explain_unknown(name, self.known))
        setting = self.known[name]
        if setting.secret:
            return self.secret(name)
        return self.explicit.get(name) or self._issuer(name) or setting.default

    def secret(self, name: str) -> str | None:
        """A secret that was given, lies in the file `<name>_FILE`, or was generated."""
        path = self.explicit.get(f"{name}_FILE")
        if path is None:
            return self.explicit.get(name) or self.generated.get(name)
        if name in self.explicit:
            raise WrongSettings(f"{name} and {name}_FILE are both set: keep one of them")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n") or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise WrongSettings(
                f"{name}_FILE: {path} cannot be read ({reason}): fix the path or the file's mode"
            ) from None

    def number(self, name: str, default: int, *, lowest: int = 1, highest: int = 65535) -> int:
        """A setting that is a whole number. Raises WrongSettings."""
        text = self.explicit.get(name, str(default))
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise WrongSettings(f"{name}={text}: a whole number from {lowest} to {highest} is needed")
        return int(text)

    def _seconds(self, name: str) -> float:
        try:
            return float(self.value(name) or 0)
        except ValueError:  # no service starts with that
            return 0.0

    def plan(self) -> Plan:
        """The roles and databases to provision. Raises WrongSettings for a password that is missing or too weak."""
        # Containers may run more processes than `quartet up` starts.
        connections = self.number("QUARTET_REPLICAS", 1, highest=1000) * (
            self.number("DB_POOL_MAX", 10, highest=1000) + SPARE_PER_PROCESS
        )
        plan = Plan(
            services=tuple(self._service_plan(service, connections) for service in SERVICES),
            backup_password=self.required(BACKUP_PASSWORD),
        )
        if self.is_production:
            self._refuse_weak(plan)
        return plan

    def server(self) -> Server:
        """Where PostgreSQL is: POSTGRES_HOST when it is set, else the embedded server of the state folder."""
        if "POSTGRES_HOST" in self.explicit:
            return Server(host=default_host(self.explicit), port=self.number("POSTGRES_PORT", 5432))
        try:
            return Server(host="127.0.0.1", port=int((self.home.cluster_folder() / "port").read_text()))
        except (OSError, ValueError):
            raise NotFound(
                f"no server was ever started in {self.home.path}: run `quartet up`, or set POSTGRES_HOST"
            ) from None

    def admin(self, server: Server) -> AdminConnection:
        """The superuser's connection. Raises WrongSettings when its password is not known."""
        password = self.required(ADMIN_PASSWORD)
        user = self.explicit.get("POSTGRES_USER", "postgres")
        return AdminConnection(host=server.host, port=server.port, user=user, password=password)

    def database_url(self, service: str, role: Role = "user", *, server: Server) -> DatabaseUrl:
        """How a role reaches a service's database; a complete URL that was given names another server."""
        try:
            base = read_url(service, self._url_environment(service, server))
        except SettingsError as error:
            raise WrongSettings(str(error)) from None
        if role == "user":
            return base
        name = ADMIN_PASSWORD if role == "admin" else f"{service.upper()}_DB_OWNER_PASSWORD"
        user = self.explicit.get("POSTGRES_USER", "postgres") if role == "admin" else f"{service}_owner"
        return DatabaseUrl(
            user=user,
            password=self.required(name),
            hosts=base.hosts,
            database=base.database,
            schema=base.schema,
            options=base.options,
        )

    def owner_urls(self, server: Server, services: Iterable[str] = SERVICES) -> dict[str, DatabaseUrl]:
        """How the owner roles reach their databases, for migrations.

        A service with a complete URL of its own lives elsewhere: it is left out unless its owner's password was given.
        """
        return {
            service: self.database_url(service, "owner", server=server)
            for service in services
            if f"{service.upper()}_DATABASE_URL" not in self.explicit
            or {f"{service.upper()}_DB_OWNER_PASSWORD{suffix}" for suffix in ("", "_FILE")}
            & self.explicit.keys()
        }

    def observer_urls(self, server: Server, services: Iterable[str] = SERVICES) -> dict[str, DatabaseUrl]:
        """How the superuser reaches the databases of `server`; none when its password is not known.

        A service with a complete URL lives elsewhere, where the password must not go.
        """
        if self.secret(ADMIN_PASSWORD) is None:
            return {}
        return {
            service: self.database_url(service, "admin", server=server)
            for service in services
            if f"{service.upper()}_DATABASE_URL" not in self.explicit
        }

    def service_environment(
        self, service: str, *, server: Server, process: Mapping[str, str]
    ) -> dict[str, str]:
        """What a service's process is told: its own settings and secrets, and nobody else's."""
        told = {name: value for name, value in process.items() if not self._is_ours(name)}
        for name, setting in self.known.items():
            if service in setting.services and name in self.explicit:
                told[name] = self.explicit[name]
        if service == "payment" and self.runs_stripe_standin:
            told["STRIPE_STANDIN_URL"] = self.local_url(STRIPE_STANDIN)
        if service == "videovault":
            told.setdefault("VIDEOVAULT_CACHE_FOLDER", str(self.home.path / "videovault-cache"))
        told = self._followed_urls(service) | told
        for name in (f"{service.upper()}_SECRET", f"{service.upper()}_DB_PASSWORD"):
            if f"{name}_FILE" not in told and (value := self.secret(name)):
                told[name] = value
        told.pop("PG_BINDIR", None)
        if f"{service.upper()}_DATABASE_URL" not in told:
            told |= {"POSTGRES_HOST": server.host, "POSTGRES_PORT": str(server.port)}
        return told

    def standin_environment(self, process: Mapping[str, str]) -> dict[str, str]:
        """What the stand-in for Stripe is told: the secrets that Payment checks its webhooks with, if any were given."""
        told = {name: value for name, value in process.items() if not self._is_ours(name)}
        given = [self.secret(name) for name in ("STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET")]
        secrets = ",".join(filter(None, given))
        return told | ({"STRIPE_WEBHOOK_SECRETS": secrets} if secrets else {})

    def local_url(self, service: str) -> str:
        """A service's URL on this machine: not at `localhost`, since where that is ::1 alone nobody would listen there."""
        host, port = self.host_and_port(service)
        host = reachable_host(host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def followed_jwks_url(self) -> str | None:
        """Auth's keys at the address that Auth listens on; None where AUTH_ISSUER names another place, which has them."""
        _, port = self.host_and_port("auth")
        issuer = self.explicit.get("AUTH_ISSUER")
        if issuer and not _is_own_port(issuer, port):
            return None
        return f"{self.local_url('auth')}/.well-known/jwks.json"

    def _followed_urls(self, service: str) -> dict[str, str]:
        """The URLs that follow from ports, for a service that is told of them."""
        followed = {name: self._issuer(name) for name in ISSUERS} | {"AUTH_JWKS_URL": self.followed_jwks_url}
        return {name: url for name, url in followed.items() if url and service in self.known[name].services}

    def host_and_port(self, service: str) -> tuple[str, int]:
        """Where a program listens."""
        prefix = service.upper()
        port = self.known[f"{prefix}_PORT"].default or "0"
        host = self.explicit.get(f"{prefix}_HOST", LOOPBACK) if f"{prefix}_HOST" in self.known else LOOPBACK
        return host, self.number(f"{prefix}_PORT", int(port))

    def _issuer(self, name: str) -> str | None:
        """A service that was given another port is found there by whoever checks its tokens."""
        service = ISSUERS.get(name)
        port = self.explicit.get(f"{service.upper()}_PORT") if service else None
        return f"http://localhost:{port}" if port else None

    def _service_plan(self, service: str, connections: int) -> ServicePlan:
        prefix = service.upper()
        return ServicePlan(
            service=service,
            database=self.explicit.get(f"{prefix}_DB_NAME", f"{service}_db"),
            schema=self.explicit.get(f"{prefix}_DB_SCHEMA", "public"),
            user=self.explicit.get(f"{prefix}_DB_USER", f"{service}_user"),
            user_password=self.required(f"{prefix}_DB_PASSWORD"),
            owner=f"{service}_owner",
            owner_password=self.required(f"{prefix}_DB_OWNER_PASSWORD"),
            user_connections=connections,
            owner_connections=OWNER_CONNECTIONS,
            remembered_tables=self.home.remembered_tables,
        )

    def _url_environment(self, service: str, server: Server) -> dict[str, str]:
        prefix = service.upper()
        names = [
            f"{prefix}_{name}" for name in ("DATABASE_URL", "DB_USER", "DB_NAME", "DB_SCHEMA", "DB_OPTIONS")
        ]
        told = {name: self.explicit[name] for name in names if name in self.explicit}
        password = self.secret(f"{prefix}_DB_PASSWORD")
        if f"{prefix}_DATABASE_URL" not in told and password is not None:
            told[f"{prefix}_DB_PASSWORD"] = password
        return told | {"POSTGRES_HOST": server.host, "POSTGRES_PORT": str(server.port)}

    def required(self, name: str) -> str:
        """A secret that has to be there. Raises WrongSettings."""
        found = self.secret(name)
        if found is None:
            raise WrongSettings(f"{name} is not set: set it or {name}_FILE, or let `quartet up` generate it")
        return found

    def _is_ours(self, name: str) -> bool:
        return name in self.known or name.startswith(GOVERNED_PREFIXES)

    def _refuse_weak(self, plan: Plan) -> None:
        """Production: every password long, none the default of something, none used twice."""
        passwords = {ADMIN_PASSWORD: self.secret(ADMIN_PASSWORD), BACKUP_PASSWORD: plan.backup_password}
        for service in plan:
            prefix = service.service.upper()
            passwords[f"{prefix}_DB_PASSWORD"] = service.user_password
            passwords[f"{prefix}_DB_OWNER_PASSWORD"] = service.owner_password
        seen: dict[str, str] = {}
        for name, password in passwords.items():
            if password is None:
                continue
            if is_weak(password):
                raise WrongSettings(
                    f"{name} is too weak for production: give at least {STRONG_LENGTH} random characters"
                )
            if password in seen:
                raise WrongSettings(f"{name} and {seen[password]} are the same: give each its own password")
            seen[password] = name


def reachable_host(host: str) -> str:
    """The host by which this machine reaches what listens on `host`, which may be a wildcard."""
    return _WILDCARDS.get(host, host)


def _is_own_port(url: str, port: int) -> bool:
    """Whether a URL is that of a port of this machine, without TLS or a path, which somebody else would see to."""
    try:
        parts = urlsplit(url)
        is_port = parts.scheme == "http" and (parts.port or 80) == port and parts.path in {"", "/"}
    except ValueError:  # no service starts with that
        return False
    host = parts.hostname or ""
    try:
        return is_port and ip_address(host).is_loopback
    except ValueError:
        return is_port and host == "localhost"
