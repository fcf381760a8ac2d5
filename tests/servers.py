"""A throw-away PostgreSQL for the tests: provisioned like the real one, with a fresh copy of a database for whoever asks."""

import asyncio
import atexit
import contextlib
import functools
import itertools
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
from dbcommon.settings import DatabaseSettings, PoolSettings
from quartet.postgres import Cluster
from quartet.provision import AdminConnection, Plan, provision

Result = TypeVar("Result")

FAST_AND_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # With a database for each module, autovacuum would start a process every second.
    "autovacuum": "off",
}
"""A test's server need not survive a power cut."""

PATIENT = PoolSettings(wait_seconds=30)
"""The pool of most tests: on a busy machine fifty requests at once may wait longer than the default."""

MEMORY = "/dev/shm"  # noqa: S108 - each folder in it has a name that nobody can guess

ACCESS_RULES = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
"""Copies of databases have names that the real rules do not allow; those rules have tests of their own."""


def run_blocking(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine in a new loop, for synchronous fixtures."""
    with asyncio.Runner() as runner:
        return runner.run(work())


@dataclass
class TestServer:
    """A server, its superuser, and the plan that it is provisioned by."""

    __test__ = False  # not a test class, whatever its name says

    cluster: Cluster
    password: str = field(repr=False)
    plan: Plan
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def admin(self) -> AdminConnection:
        """The superuser, who may connect to every database."""
        return AdminConnection(host="127.0.0.1", port=self.cluster.port, password=self.password)

    async def connect(self, database: str = "postgres") -> "asyncpg.Connection[Any]":
        """A superuser's connection."""
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            host="127.0.0.1",
            port=self.cluster.port,
            user="postgres",
            password=self.password,
            database=database,
        )
        return connection

    def url(self, service: str, *, role: str = "user", database: str | None = None) -> DatabaseUrl:
        """The URL of a service's runtime role ("user"), of its owner, or of the superuser ("admin")."""
        planned = self.plan[service]
        user, password = {
            "user": (planned.user, planned.user_password),
            "owner": (planned.owner, planned.owner_password),
            "admin": ("postgres", self.password),
        }[role]
        hosts = (("127.0.0.1", self.cluster.port),)
        return DatabaseUrl(user=user, password=password, hosts=hosts, database=database or planned.database)

    async def raise_limits(self) -> None:
        """Let each service open as many connections as the plan says."""
        connection = await self.connect()
        try:
            for planned in self.plan:
                await connection.execute(
                    f'ALTER ROLE "{planned.user}" CONNECTION LIMIT {planned.user_connections}'
                )
        finally:
            await connection.close()

    def migrate(self) -> None:
        """Apply every service's migrations."""
        for planned in self.plan:
            upgrade(planned.service, self.url(planned.service, role="owner"))

    async def copy_database(self, service: str, *, pool: PoolSettings | None = None) -> DatabaseSettings:
        """A fresh copy of a service's migrated database, and the settings to use it with."""
        planned = self.plan[service]
        name = f"{planned.database}_{next(self._numbers)}"
        connection = await self.connect()
        try:
            await connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{planned.database}" OWNER "{planned.owner}"'
            )
            await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
            await connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{planned.user}"')
        finally:
            await connection.close()
        return DatabaseSettings(url=self.url(service, database=name), pool=pool or PATIENT)


@contextlib.contextmanager
def throw_away_server(*, settings: dict[str, str] | None = None) -> Iterator[TestServer]:
    """A new provisioned server, until the block ends; its folder is deleted."""
    # Not pytest's tmp_path: only its owner may enter that, and run by root the server belongs to another user.
    with tempfile.TemporaryDirectory(prefix="quartet-test-", dir=_disk_in_memory()) as folder:
        Path(folder).chmod(0o711)
        server = _start(Path(folder) / "cluster", settings=settings)
        try:
            yield server
        finally:
            server.cluster.stop("immediate")


def _disk_in_memory() -> str | None:
    """A disk in memory, where there is one with room for a server of each worker; else None, and the usual folder has to do.
    A session leaves a hundred databases, which take a real disk a long time to write and to delete."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY).free > 8 * 2**30:
            return MEMORY
    return None


def _start(folder: Path, *, settings: dict[str, str] | None) -> TestServer:
    # A test may run several processes of one service, each with a pool of its own.
    made = copy_provisioned_server(folder)
    plan = replace(made.plan, services=tuple(replace(service, user_connections=60) for service in made.plan))
    cluster = Cluster(folder, max_connections=300, settings=FAST_AND_FORGETFUL | (settings or {}))
    cluster.set_access_rules(ACCESS_RULES)
    cluster.start()
    server = TestServer(cluster=cluster, password=made.password, plan=plan)
    run_blocking(server.raise_limits)
    return server


@dataclass(frozen=True)
class Provisioned:
    """A stopped, provisioned server: its folder, its plan, and its superuser's password."""

    folder: Path
    plan: Plan
    password: str = field(repr=False)


def copy_provisioned_server(folder: Path) -> Provisioned:
    """Make the folder a copy of a provisioned server: a tenth of the work of making one. Copies share their passwords, and
    the identifier by which backups tell servers apart."""
    made = _provisioned()
    subprocess.run(["/bin/cp", "-a", made.folder, folder], check=True)
    return replace(made, folder=folder)


@functools.cache
def _provisioned() -> Provisioned:
    """The server that copies are made of, one a process."""
    home = Path(tempfile.mkdtemp(prefix="quartet-test-"))
    atexit.register(shutil.rmtree, home)
    home.chmod(0o711)
    made = Provisioned(home / "cluster", Plan.generated(), secrets.token_urlsafe(24))
    cluster = Cluster(made.folder, max_connections=made.plan.max_connections, settings=FAST_AND_FORGETFUL)
    cluster.initialise(superuser_password=made.password)
    with cluster.running():
        admin = AdminConnection(host="127.0.0.1", port=cluster.port, password=made.password)
        run_blocking(lambda: provision(admin, made.plan))
    return made
