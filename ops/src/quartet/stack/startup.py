"""Prepares the server for the services: cluster, access rules, roles, databases, schema."""

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg

from quartet.errors import DiskFull, Failure, ServerFailed, WrongPassword
from quartet.postgres import Cluster, find_binaries
from quartet.postgres.error_messages import FULL_DISK
from quartet.provision import embedded_access_rules, provision
from quartet.schema import migrate
from quartet.settings import OperatorSettings
from quartet.settings.operator import ADMIN_PASSWORD, Server
from quartet.stack.password_files import write_password_files

Say = Callable[[str], None]
WAL_SEGMENT = 16 * 1024 * 1024  # without room for one more the server ends, and its connections with it


def open_cluster(settings: OperatorSettings) -> Cluster:
    """The cluster of the state folder, started or not. Raises NoPostgres."""
    port = settings.number("POSTGRES_PORT", 0) if "POSTGRES_PORT" in settings.explicit else None
    return Cluster(settings.home.cluster_folder(), binaries=find_binaries(settings.named_bindir), port=port)


def start_server(settings: OperatorSettings, cluster: Cluster, *, say: Say) -> Server:
    """Create the cluster if there is none, start it, and bring roles, databases and schema to the plan."""
    settings.generate_secrets(cluster_exists=cluster.is_initialised())
    plan = settings.plan()
    cluster.max_connections = plan.max_connections
    if cluster.initialise(superuser_password=settings.secret(ADMIN_PASSWORD) or ""):
        say(f"PostgreSQL {cluster.binaries.major} created in {cluster.data_folder}")
    cluster.set_access_rules(embedded_access_rules(plan))
    if cluster.is_running():
        say("stopping a server that an earlier stack left running")
        cluster.stop()
    cluster.start()
    server = Server(host="127.0.0.1", port=cluster.port)
    write_password_files(settings)
    prepare_databases(settings, server, say=say, folder=cluster.data_folder)
    return server


def prepare_databases(
    settings: OperatorSettings, server: Server, *, say: Say, folder: Path | None = None
) -> None:
    """Provision, then migrate as the owner roles. `say` gets what changed. `folder` holds the data if they are here.

    Raises DiskFull, WrongPassword, ServerFailed or MigrationFailed.
    """
    with _translate_errors(server, folder):
        _prepare_databases(settings, server, say=say)


def _prepare_databases(settings: OperatorSettings, server: Server, *, say: Say) -> None:
    report = asyncio.run(provision(settings.admin(server), settings.plan(), say=say))
    if report.changed:
        say(f"provisioned: {len(report.changes)} changes" if len(report.changes) > 20 else "provisioned:")
        for change in report.changes if len(report.changes) <= 20 else ():
            say(f"  {change}")
    if report.shortage:
        say(report.shortage)
    applied = migrate(
        settings.owner_urls(server),
        remembered=settings.home.remembered_revisions,
        observers=settings.observer_urls(server),
        say=say,
    )
    for service, revisions in applied.items():
        say(
            f"{service}: {len(revisions)} migration{'s' if len(revisions) != 1 else ''} applied, now at {revisions[-1]}"
        )


def wait_for_server(server: Server, *, seconds: float) -> None:
    """Wait until something listens there. Raises ServerFailed after that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((server.host, server.port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"no PostgreSQL at {server.host}:{server.port} after {seconds:g} s"
                    f" ({error.strerror or error}): start it, or set POSTGRES_HOST and POSTGRES_PORT"
                ) from None
            time.sleep(0.25)
        else:
            return


@contextlib.contextmanager
def _translate_errors(server: Server, folder: Path | None) -> Iterator[None]:
    """Raise errors of the block as a Failure of one line. After a full disk the last error seldom names the cause."""
    try:
        yield
    except WrongPassword:
        raise
    except (Failure, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if _is_full(error, folder):
            place = folder or f"the server at {server.host}:{server.port}"
            raise DiskFull(
                f"the disk of {place} is full: free some space there, or set QUARTET_HOME to another disk"
            ) from error
        if isinstance(error, Failure):
            raise
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ServerFailed(
            f"PostgreSQL at {server.host}:{server.port} failed while it was prepared ({told}): see its log"
        ) from error


def _is_full(error: BaseException, folder: Path | None) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, asyncpg.DiskFullError) or FULL_DISK.search(str(cause)):
            return True
        cause = cause.__cause__ or cause.__context__
    return folder is not None and shutil.disk_usage(folder).free < WAL_SEGMENT
