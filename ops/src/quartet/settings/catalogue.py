"""Every setting there is: those that the services declare, those of their databases, and the operator's own.

The source is the services' settings classes. Importing them takes longer than everything else that `quartet up` does itself,
so their settings are kept in a file until one of the classes' files changes.
"""

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quartet.provision.plan import SERVICES
from quartet.remembered import fingerprint, package_folder, recall, remember

GOVERNED_PREFIXES = (*(f"{service.upper()}_" for service in SERVICES), "DB_POOL_", "STRIPE_", "QUARTET_")
"""A variable of the process with such a prefix is passed only to services that have the setting."""

OWN_PREFIX = "QUARTET_"
"""No other program's variables have this prefix: an unknown one is a mistake."""

FOREIGN_PREFIXES = ("COMPOSE_", "DOCKER_", "OTEL_", "PYTHON")
FOREIGN_NAMES = frozenset(
    {"FORCE_COLOR", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LC_ALL", "NO_COLOR", "NO_PROXY", "PATH", "TZ"}
)
"""Names of other programs that read the same `.env`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment variable. It is passed to `services`; without any it is for the operator's command alone."""

    name: str
    default: str | None
    description: str
    secret: bool = False
    services: tuple[str, ...] = ()


_OPERATOR = (
    Setting(
        name="QUARTET_HOME",
        default=".quartet",
        description="The folder of data, secrets and logs of `quartet up`.",
    ),
    Setting(
        name="PG_BINDIR",
        default=None,
        description="The folder of PostgreSQL's programs (15 or newer), in place of those that came along.",
    ),
    Setting(
        name="QUARTET_REPLICAS",
        default="1",
        description="Processes of one service at the same time, 1 to 8 by `quartet up`; the roles' connection limits follow.",
    ),
    Setting(
        name="POSTGRES_USER",
        default="postgres",
        description="The superuser; provisioning and `--role admin` only.",
    ),
    Setting(
        name="POSTGRES_PASSWORD",
        default=None,
        description="The superuser's password; generated for the embedded server.",
        secret=True,
    ),
    Setting(
        name="BACKUP_DB_PASSWORD",
        default=None,
        description="The password of backup_user, who reads all tables; generated for the embedded server.",
        secret=True,
    ),
    Setting(
        name="BACKUP_DESTINATION",
        default=None,
        description="Where backups go: a folder, or s3://bucket/prefix; in development `backups` in QUARTET_HOME.",
    ),
    Setting(
        name="BACKUP_RECIPIENT",
        default=None,
        description="The age recipient (age1…) that backups are encrypted to; in development one is generated.",
    ),
    Setting(
        name="BACKUP",
        default=None,
        description="1 has `quartet up` run `quartet backup run` beside the services.",
    ),
    Setting(
        name="BACKUP_AT",
        default="03:00",
        description="When `quartet backup run` makes the daily full backup, UTC.",
    ),
    Setting(
        name="BACKUP_PORT",
        default="9188",
        description="The port where `quartet backup run` serves metrics.",
    ),
    Setting(
        name="BACKUP_HOST",
        default="127.0.0.1",
        description="The address where `quartet backup run` serves metrics.",
    ),
    Setting(
        name="STRIPE_STANDIN",
        default="1",
        description="0: no stand-in for Stripe is started. 1: without STRIPE_SECRET_KEY one is, outside of production.",
    ),
    Setting(
        name="STRIPE_STANDIN_PORT",
        default="8420",
        description="The port of the stand-in for Stripe, on 127.0.0.1.",
    ),
    Setting(
        name="AWS_ENDPOINT_URL",
        default=None,
        description="The URL of an S3 store that is not Amazon's, for backups.",
    ),
    Setting(
        name="AWS_REGION",
        default=None,
        description="The region of the bucket of backups: us-east-1 without.",
    ),
    Setting(
        name="AWS_ACCESS_KEY_ID",
        default=None,
        description="The key to the bucket of backups.",
    ),
    Setting(
        name="AWS_SECRET_ACCESS_KEY",
        default=None,
        description="The secret of that key.",
        secret=True,
    ),
)

_CONTAINERS = (
    Setting(
        name="POSTGRES_IMAGE",
        default="postgres:18",
        description="Containers only: the image of the server, 15 to 18; data do not move between them.",
    ),
    Setting(
        name="POSTGRES_PUBLISHED_PORT",
        default="5432",
        description="Containers only: where the server is on this machine's loopback.",
    ),
    Setting(
        name="PYTHON_IMAGE",
        default="python:3.12-slim-bookworm",
        description="Containers only: what the images are built on, Python 3.11 to 3.13.",
    ),
    Setting(
        name="PROMETHEUS_IMAGE",
        default="prom/prometheus:v3.14.0",
        description="Containers only: the image of Prometheus, 2.42 or newer.",
    ),
    Setting(
        name="PROMETHEUS_PORT",
        default="9090",
        description="Containers only: where Prometheus is on this machine's loopback.",
    ),
    Setting(
        name="GRAFANA_IMAGE",
        default="grafana/grafana:13.1.3",
        description="Containers only: the image of Grafana, 11 or newer.",
    ),
    Setting(
        name="GRAFANA_PORT",
        default="3000",
        description="Containers only: where Grafana is on this machine's loopback.",
    ),
    Setting(
        name="GRAFANA_ADMIN_PASSWORD",
        default=None,
        description="Containers only: the password of Grafana's user admin; generated unless it is given.",
        secret=True,
    ),
    Setting(
        name="VIDEOVAULT_MEDIA_FOLDER",
        default="videovault-media",
        description="Containers only: the folder of this machine with VideoVault's films, by its absolute path; else a volume's name.",
    ),
    Setting(
        name="SHUTDOWN_KILL_SECONDS",
        default="40",
        description="Containers only: how long a service may take to stop; 15 more than drain and grace together.",
    ),
)

_SHARED = (
    Setting(
        name="POSTGRES_HOST",
        default=None,
        description="The server's host: shared-postgres in a container, else localhost. `quartet up` brings its own.",
        services=SERVICES,
    ),
    Setting(
        name="POSTGRES_PORT",
        default=None,
        description="The server's port: 5432; for the embedded server any free one.",
        services=SERVICES,
    ),
    Setting(
        name="DB_POOL_MIN", default="2", description="Connections a service keeps open.", services=SERVICES
    ),
    Setting(
        name="DB_POOL_MAX",
        default="10",
        description="Connections a process of a service never exceeds.",
        services=SERVICES,
    ),
    Setting(
        name="DB_POOL_IDLE_SECONDS",
        default="30",
        description="A connection above the minimum, idle so long, is closed.",
        services=SERVICES,
    ),
    Setting(
        name="DB_POOL_WAIT_SECONDS",
        default="2",
        description="How long a request waits for a connection before it gets 503.",
        services=SERVICES,
    ),
    Setting(
        name="OTEL_EXPORTER_OTLP_ENDPOINT",
        default=None,
        description="Where traces are sent, by OTLP over HTTP: http://collector:4318. Without it there are none.",
        services=SERVICES,
    ),
    Setting(
        name="OTEL_RESOURCE_ATTRIBUTES",
        default=None,
        description="What is said of the sender of each trace: deployment.environment.name=staging.",
        services=SERVICES,
    ),
    Setting(
        name="OTEL_TRACES_SAMPLER",
        default=None,
        description="Which requests are traced: all, or for example parentbased_traceidratio.",
        services=SERVICES,
    ),
    Setting(
        name="OTEL_TRACES_SAMPLER_ARG",
        default=None,
        description="The sampler's number: 0.1 for a tenth of the requests.",
        services=SERVICES,
    ),
)


def known_settings(remembered: Path | None = None) -> list[Setting]:
    """All settings, in the order of `.env.example`; read from the file `remembered` if that is current."""
    found = recall_settings(remembered) if remembered is not None else None
    return found or _gather()


def remember_settings(settings: Iterable[Setting], remembered: Path) -> None:
    """Write the settings into a file for `known_settings`."""
    remember(
        remembered, {"fingerprint": _fingerprint(), "settings": [asdict(setting) for setting in settings]}
    )


def recall_settings(remembered: Path) -> list[Setting] | None:
    """The settings in that file; None without one, or when a service's settings have changed since."""
    content = recall(remembered)
    if content.get("fingerprint") != _fingerprint():
        return None
    try:
        return [Setting(**{**entry, "services": tuple(entry["services"])}) for entry in content["settings"]]
    except (KeyError, TypeError):
        return None


def explain_unknown(name: str, known: Iterable[str]) -> str:
    """One line about a setting that does not exist, with the nearest one that does."""
    near = find_near(name, known, likeness=0.75)
    hint = f"did you mean {near}?" if near else "`quartet config` lists all that exist"
    return f"unknown setting {name}: {hint}"


def find_near(name: str, known: Iterable[str], *, likeness: float) -> str | None:
    """The setting with the most similar name; None when no similarity (0 to 1) reaches `likeness`."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return near[0] if near else None


def is_foreign(name: str) -> bool:
    """Whether a name of `.env` belongs to another program."""
    return name in FOREIGN_NAMES or name.startswith(FOREIGN_PREFIXES)


def _gather() -> list[Setting]:
    gathered: dict[str, Setting] = {}
    for service in SERVICES:
        for described in _declared(service):
            before = gathered.get(described.name)
            users = (*before.services, service) if before else (service,)
            gathered[described.name] = Setting(
                name=described.name,
                default=described.default,
                description=described.description,
                secret=described.secret,
                services=users,
            )
    shared = [setting for setting in gathered.values() if len(setting.services) > 1]
    settings = [*_SHARED, *shared]
    for service in SERVICES:
        settings += [setting for setting in gathered.values() if setting.services == (service,)]
        settings += _database_settings(service)
    # What is for containers alone is read by Compose, which knows of no such file.
    return [*_with_files(_OPERATOR), *_CONTAINERS, *_with_files(settings)]


def _declared(service: str) -> list[Any]:
    """The descriptions of the service's settings class."""
    common = importlib.import_module("webcommon.settings")
    return list(common.describe_settings(settings_class(service)))


def settings_class(service: str) -> Any:
    """The settings class of a service. Imports it."""
    common = importlib.import_module("webcommon.settings")
    module = importlib.import_module(f"{service}.settings")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, common.ServiceSettings)
        and getattr(value, "service", None) == service
    ]
    return classes[-1]


def _database_settings(service: str) -> list[Setting]:
    def setting(name: str, description: str, *, default: str | None = None, secret: bool = False) -> Setting:
        told = () if name.startswith("DB_OWNER") else (service,)  # only migrations use the owner role
        return Setting(
            name=f"{service.upper()}_{name}",
            default=default,
            description=description,
            secret=secret,
            services=told,
        )

    made = "Generated for the embedded server."
    return [
        setting("DATABASE_URL", "A complete connection string, in place of the parts below.", secret=True),
        setting("DB_USER", "The runtime role.", default=f"{service}_user"),
        setting("DB_PASSWORD", f"The runtime role's password; any characters. {made}", secret=True),
        setting("DB_NAME", "The database.", default=f"{service}_db"),
        setting("DB_SCHEMA", "The schema; public by default."),
        setting("DB_OPTIONS", "More options of the connection string: name=value pairs joined by &."),
        setting(
            "DB_OWNER_PASSWORD",
            f"The password of {service}_owner, who runs the migrations. {made}",
            secret=True,
        ),
    ]


def _with_files(settings: Iterable[Setting]) -> Iterable[Setting]:
    """The settings; after each secret the variable that names a file to read it from."""
    for setting in settings:
        yield setting
        if setting.secret and not setting.name.endswith("_URL"):
            yield Setting(
                name=f"{setting.name}_FILE",
                default=None,
                description=f"A file that holds {setting.name}, such as a container's secret.",
                services=setting.services,
            )


def _fingerprint() -> list[list[str | int]]:
    """The fingerprint of all files that declare settings, this one included."""
    files = [Path(__file__)]
    for name in ("webcommon", *SERVICES):
        folder = package_folder(name)
        if folder is None:
            raise ModuleNotFoundError(f"{name} is not installed beside {__name__}")
        files += sorted([*folder.rglob("settings.py"), *folder.glob("settings/*.py")])
    return fingerprint(files)
