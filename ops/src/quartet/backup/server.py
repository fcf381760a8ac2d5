"""The server that is backed up, as the role `backup_user` meets it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg

from quartet.backup.contents import COMPARABLE
from quartet.backup.tools import Tools
from quartet.errors import AlreadyRunning, BackupFailed, ServerFailed, WrongPassword
from quartet.postgres import find_binaries
from quartet.provision.plan import SERVICES
from quartet.schema import BACKUP_USER
from quartet.settings import OperatorSettings
from quartet.settings.operator import BACKUP_PASSWORD, Server

TURN = "quartet_backup_full"
"""A temporary replication slot: a server has one of a name, it ends with its connection, and it keeps the WAL of a base."""


@dataclass(frozen=True, kw_only=True)
class BackupServer:
    """The databases to back up, by service, and the programs for it."""

    tools: Tools
    databases: Mapping[str, str]

    @contextlib.asynccontextmanager
    async def connect(self, database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection as backup_user. Raises WrongPassword or ServerFailed."""
        connection = await connect(self.tools, database)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    @contextlib.asynccontextmanager
    async def connect_anywhere(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection to the first database that admits one: any may be away, to be swapped or since it was dropped.

        Raises what `connect` raises for the last of them.
        """
        connection = await self._open_anywhere()
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def _open_anywhere(self) -> "asyncpg.Connection[asyncpg.Record]":
        *others, last = self.databases.values()
        for database in others:
            with contextlib.suppress(ServerFailed):
                return await connect(self.tools, database)
        return await connect(self.tools, last)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Be the only one who makes a full backup. Raises AlreadyRunning when another does."""
        database = next(iter(self.databases.values()))
        async with self.connect(database) as connection:
            try:
                await connection.execute(f"SELECT pg_create_physical_replication_slot('{TURN}', true, true)")
            except asyncpg.DuplicateObjectError:
                holder = await connection.fetchval(
                    "SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1", TURN
                )
                raise AlreadyRunning(
                    f"another full backup is being made (server process {holder}): wait for its end"
                ) from None
            except asyncpg.PostgresError as error:
                raise BackupFailed(
                    f"the server gives no replication slot ({error}): it needs wal_level=replica, a free one of its"
                    " max_replication_slots, and the rights of backup_user that `quartet provision` grants"
                ) from error
            yield connection


def admin_tools(settings: OperatorSettings, server: Server) -> Tools:
    """The programs as the superuser. Raises WrongSettings when its password is not known."""
    admin = settings.admin(server)
    return Tools(
        binaries=find_binaries(settings.named_bindir),
        host=admin.host,
        port=admin.port,
        user=admin.user,
        password=admin.password,
    )


def find_backup_server(settings: OperatorSettings, server: Server) -> BackupServer:
    """The server of the settings. A service with a complete URL of its own lives elsewhere, and is left out."""
    return BackupServer(
        tools=Tools(
            binaries=find_binaries(settings.named_bindir),
            host=server.host,
            port=server.port,
            user=BACKUP_USER,
            password=settings.required(BACKUP_PASSWORD),
        ),
        databases={
            service: settings.explicit.get(f"{service.upper()}_DB_NAME", f"{service}_db")
            for service in SERVICES
            if f"{service.upper()}_DATABASE_URL" not in settings.explicit
        },
    )


async def refuse_large_objects(connection: "asyncpg.Connection[asyncpg.Record]", database: str) -> None:
    """Raises BackupFailed when the database holds some: only their owners may dump them, and no service makes any."""
    found = await connection.fetchval("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")
    if found:
        raise BackupFailed(
            f"{database} holds {found} large objects, which cannot be backed up: look at"
            " pg_largeobject_metadata there, delete them as the superuser by `SELECT lo_unlink(oid)`, then try again"
        )


async def check_dump(tools: Tools, database: str) -> None:
    """Raises what would keep the programs from dumping the database: WrongPassword, ServerFailed, OtherMajorVersion, or
    BackupFailed."""
    connection = await connect(tools, database)
    try:
        tools.require_major(connection.get_server_version().major)
        await refuse_large_objects(connection, database)
    finally:
        await connection.close()


async def connect(tools: Tools, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection as the tools' user, in whose sessions rows have one text. Raises WrongPassword or ServerFailed."""
    try:
        return await asyncpg.connect(
            host=tools.host,
            port=tools.port,
            user=tools.user,
            password=tools.password,
            database=database,
            timeout=10,
            statement_cache_size=0,
            server_settings={"application_name": "quartet backup", **COMPARABLE},
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise WrongPassword(
            f"{database} refuses {tools.user} ({error}): `quartet provision` sets its password and rights anew"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerFailed(
            f"no connection to {database} at {tools.host}:{tools.port} ({str(error) or type(error).__name__}):"
            " is it running?"
        ) from error
