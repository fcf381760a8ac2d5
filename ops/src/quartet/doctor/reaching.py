"""Whether the server, its databases and the services can be reached by those who have to."""

import asyncio
from collections.abc import Iterator

import asyncpg

from dbcommon.dsn import DatabaseUrl
from quartet.doctor.finding import Finding, Subject, failure, warning
from quartet.health import check_service
from quartet.inspection.connections import RoleConnections, read_connections
from quartet.provision.plan import SERVICES
from quartet.schema import read_status
from quartet.settings.operator import ADMIN_PASSWORD, BACKUP_PASSWORD

CONNECT_SECONDS = 10
REDIS_SECONDS = 2.0

NEARLY_ALL = 0.8
"""The share of a limit from which on it is said."""

IDLE_TRANSACTION_SECONDS = 60.0
LONG_TRANSACTION_SECONDS = 600.0

_PROVISION = "`quartet provision` repairs roles, databases and rights"
_FEWER = "lower DB_POOL_MAX or QUARTET_REPLICAS, or raise max_connections; `quartet db connections` shows who holds them"


async def check_server(subject: Subject) -> list[Finding]:
    """PostgreSQL answers, and takes the superuser's password."""
    return await _try_connection(subject, _admin_url(subject), ADMIN_PASSWORD)


async def check_logins(subject: Subject) -> list[Finding]:
    """Every role gets into its database with the password at hand."""
    tried = await asyncio.gather(
        *(_try_connection(subject, url, setting) for url, setting in _logins(subject))
    )
    return list(dict.fromkeys(finding for found in tried for finding in found))


async def check_connections(subject: Subject) -> list[Finding]:
    """Connections are left, of each role and of the server, and no transaction stays open."""
    found = await read_connections(subject.server)
    free_to_take = found.max_connections - found.reserved_connections
    findings = [finding for role in found.roles for finding in _judge_role(role, subject)]
    if found.total >= NEARLY_ALL * free_to_take:
        findings.append(
            warning(f"{found.total} of the server's {free_to_take} connections are taken", fix=_FEWER)
        )
    return findings


async def check_migrations(subject: Subject) -> list[Finding]:
    """The databases have the tables that this version's services expect."""
    there = await subject.existing_databases()
    urls = subject.settings.owner_urls(subject.settings.server(), there)
    findings: list[Finding] = []
    for service, schema in (await asyncio.to_thread(read_status, urls)).items():
        if schema.pending:
            pending = ", ".join(schema.pending)
            findings.append(
                failure(
                    f"{service}: migrations are pending ({pending})", fix=f"`quartet db migrate {service}`"
                )
            )
        elif schema.drift:
            findings.append(
                warning(
                    f"{service}: the schema differs from the code's ({'; '.join(schema.drift[:3])})",
                    fix=f"`quartet db status {service}` names all of it: undo what was changed by hand",
                )
            )
    return findings


async def check_services(subject: Subject) -> list[Finding]:
    """The four services answer, and call themselves healthy."""
    settings = subject.settings
    reports = await asyncio.gather(
        *(asyncio.to_thread(check_service, service, *settings.host_and_port(service)) for service in SERVICES)
    )
    fix = "`quartet ps` and `quartet logs` show why; `quartet up` starts everything"
    return [
        (failure if report.status == "fail" else warning)(f"{report.name}: {report.reason}", fix=fix)
        for report in reports
        if report.status != "pass"
    ]


async def check_redis(subject: Subject) -> list[Finding]:
    """The server of REDIS_URL answers, and takes the password."""
    url = subject.settings.value("REDIS_URL")
    if not url:
        return []
    # Importing the client takes a third of a second.
    from redis.asyncio import Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        async with Redis.from_url(
            url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            await client.ping()
    except (RedisError, OSError, TypeError, ValueError) as error:
        fix = "start it, or correct REDIS_URL; meanwhile players at two processes see each other up to a second later"
        return [warning(f"Redis is of no use: {str(error).rstrip('.')}", fix=fix)]
    return []


def _logins(subject: Subject) -> Iterator[tuple[DatabaseUrl, str]]:
    """The URL of each role, and the setting that holds its password."""
    settings, address = subject.settings, subject.settings.server()
    owners = settings.owner_urls(address)
    for service in SERVICES:
        given = f"{service.upper()}_DATABASE_URL"
        name = given if given in settings.explicit else f"{service.upper()}_DB_PASSWORD"
        yield settings.database_url(service, server=address), name
        if service in owners:
            yield owners[service], f"{service.upper()}_DB_OWNER_PASSWORD"
    plan, admin = subject.server.plan, subject.server.admin
    for database in subject.server.databases.values():
        hosts = ((admin.host, admin.port),)
        backup = DatabaseUrl(
            user=plan.backup_user, password=plan.backup_password, hosts=hosts, database=database
        )
        yield backup, BACKUP_PASSWORD


def _admin_url(subject: Subject) -> DatabaseUrl:
    admin = subject.server.admin
    return DatabaseUrl(
        user=admin.user, password=admin.password, hosts=((admin.host, admin.port),), database=admin.database
    )


async def _try_connection(subject: Subject, url: DatabaseUrl, setting: str) -> list[Finding]:
    arguments = {"timeout": CONNECT_SECONDS, **url.connect_arguments(application_name="quartet doctor")}
    try:
        connection = await asyncpg.connect(**arguments)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [
            _explain(
                error, url, setting=setting, is_embedded="POSTGRES_HOST" not in subject.settings.explicit
            )
        ]
    await connection.close()
    return []


def _explain(error: Exception, url: DatabaseUrl, *, setting: str, is_embedded: bool) -> Finding:
    where = " or ".join(f"{host}:{port}" for host, port in url.hosts)
    match error:
        case asyncpg.InvalidPasswordError():
            return failure(
                f"{where} refuses the password of {url.user}",
                fix=(
                    f"put back the {setting} that the server was made with"
                    if setting == ADMIN_PASSWORD
                    else f"check that {setting} is the one that the server knows; `quartet provision` sets the server's to it"
                ),
            )
        case asyncpg.InvalidCatalogNameError():
            return failure(
                f'database "{url.database}" does not exist',
                fix="`quartet provision` creates it with its tables; `quartet restore` brings its rows back from a backup",
            )
        case asyncpg.TooManyConnectionsError():
            return failure(f"{where} has too many connections for {url.user}: {error}", fix=_FEWER)
        case asyncpg.InvalidAuthorizationSpecificationError() | asyncpg.InsufficientPrivilegeError():
            return failure(f"{where} does not let {url.user} into {url.database}: {error}", fix=_PROVISION)
        case asyncpg.CannotConnectNowError():
            return failure(
                f"{where} is starting or stopping: {error}", fix="wait a moment, and look into its log"
            )
        case _:
            return failure(
                f"no PostgreSQL answers at {where} ({str(error) or type(error).__name__})",
                fix=(
                    "`quartet up` starts it"
                    if is_embedded
                    else "start it, or correct POSTGRES_HOST, POSTGRES_PORT or the database's URL"
                ),
            )


def _judge_role(role: RoleConnections, subject: Subject) -> Iterator[Finding]:
    if role.limit is not None and role.total >= NEARLY_ALL * role.limit:
        yield warning(f"{role.role} holds {role.total} of its {role.limit} connections", fix=_FEWER)
    open_for = role.longest_transaction_seconds or 0.0
    if role.idle_in_transaction and open_for > IDLE_TRANSACTION_SECONDS:
        yield warning(
            f"a transaction of {role.role} has been open for {open_for:.0f} s, and may be waiting for its program",
            fix="`quartet db locks` shows whom it blocks, and --kill ends it",
        )
    elif open_for > LONG_TRANSACTION_SECONDS and role.role != subject.server.plan.backup_user:
        yield warning(
            f"a transaction of {role.role} has been running for {open_for:.0f} s, and keeps dead rows from being removed",
            fix="`quartet db locks --kill` ends it if it is not wanted",
        )
