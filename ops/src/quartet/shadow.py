"""A shadow database: empty, provisioned as a service's own, and thrown away."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace

from dbcommon.dsn import DatabaseUrl
from quartet.provision.contents import ensure_contents
from quartet.provision.plan import AdminConnection, Plan
from quartet.provision.session import identifier, open_session


@contextlib.asynccontextmanager
async def shadow_database(admin: AdminConnection, plan: Plan, *, service: str) -> AsyncIterator[DatabaseUrl]:
    """A shadow database for the length of a block, reached as the service's owner role.

    The superuser logs in, since the access rules let the owner role into its own database only, and becomes that role at once.
    """
    planned = replace(plan[service], database=f"{plan[service].database}_shadow_{os.getpid()}")
    name = identifier(planned.database)
    async with open_session(admin) as session:
        await session.connection.execute(
            f"CREATE DATABASE {name} OWNER {identifier(planned.owner)} TEMPLATE template0"
            " ENCODING 'UTF8' LOCALE 'C.UTF-8'"
        )
    try:
        async with open_session(admin, database=planned.database) as session:
            await ensure_contents(session, plan, service=planned)
            await session.connection.execute(f"ALTER DATABASE {name} SET role = {identifier(planned.owner)}")
        yield DatabaseUrl(
            user=admin.user,
            password=admin.password,
            hosts=((admin.host, admin.port),),
            database=planned.database,
        )
    finally:
        async with open_session(admin) as session:
            await session.connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
