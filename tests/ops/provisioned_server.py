"""A provisioned server with the real access rules, and connections to it as any role."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg

from dbcommon.dsn import DatabaseUrl
from quartet.postgres import Cluster
from quartet.provision import AdminConnection, Plan, embedded_access_rules, provision
from tests.ops.places import FAST, open_folder
from tests.servers import copy_provisioned_server, run_blocking

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class ProvisionedServer:
    """The server, its plan, and the superuser's password."""

    cluster: Cluster
    plan: Plan
    password: str = field(repr=False)

    @property
    def admin(self) -> AdminConnection:
        """The superuser."""
        return AdminConnection(host="127.0.0.1", port=self.cluster.port, password=self.password)

    def password_of(self, role: str) -> str:
        """The password of any role."""
        passwords = {"postgres": self.password, self.plan.backup_user: self.plan.backup_password}
        for service in self.plan:
            passwords |= {service.user: service.user_password, service.owner: service.owner_password}
        return passwords[role]

    async def open(self, role: str, database: str, *, password: str | None = None) -> Connection:
        """A connection, to be closed by the caller."""
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.cluster.port,
            user=role,
            password=password or self.password_of(role),
            database=database,
            timeout=10,
        )

    @contextlib.asynccontextmanager
    async def connection(self, role: str, database: str) -> AsyncIterator[Connection]:
        """A connection for the length of a block."""
        connection = await self.open(role, database)
        try:
            yield connection
        finally:
            await connection.close()

    async def execute(self, role: str, database: str, *statements: str) -> None:
        """Run statements, each by itself."""
        async with self.connection(role, database) as connection:
            for statement in statements:
                await connection.execute(statement)


@contextlib.contextmanager
def provisioned_server() -> Iterator[ProvisionedServer]:
    """A throw-away server, provisioned as `quartet up` does it."""
    with open_folder() as folder:
        plan = Plan.generated()
        cluster = Cluster(folder / "cluster", max_connections=plan.max_connections, settings=FAST)
        server = ProvisionedServer(cluster, plan, secrets.token_urlsafe(32))
        cluster.initialise(superuser_password=server.password)
        with _behind_its_rules(server):
            run_blocking(lambda: provision(server.admin, plan))
            yield server


@contextlib.contextmanager
def copied_server() -> Iterator[ProvisionedServer]:
    """The same, a copy of one that was provisioned before."""
    with open_folder() as folder:
        made = copy_provisioned_server(folder / "cluster")
        cluster = Cluster(made.folder, max_connections=made.plan.max_connections, settings=FAST)
        with _behind_its_rules(ProvisionedServer(cluster, made.plan, made.password)) as server:
            yield server


@contextlib.contextmanager
def _behind_its_rules(server: ProvisionedServer) -> Iterator[ProvisionedServer]:
    server.cluster.set_access_rules(embedded_access_rules(server.plan))
    server.cluster.start()
    try:
        yield server
    finally:
        server.cluster.stop("immediate")


def owner_url(server: ProvisionedServer, service: str) -> DatabaseUrl:
    """The URL of the service's owner."""
    planned = server.plan[service]
    return DatabaseUrl(
        user=planned.owner,
        password=planned.owner_password,
        hosts=(("127.0.0.1", server.cluster.port),),
        database=planned.database,
    )


INSERT_VIDEO = (
    "INSERT INTO videos (file_path, file_name, file_size, mime_type) VALUES ('/a', 'a', 1, 'video/mp4')"
)
