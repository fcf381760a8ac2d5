"""Opens a connection to PostgreSQL, also after its password was rotated."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbcommon.dsn import DatabaseUrl


async def connect(url: DatabaseUrl, arguments: Mapping[str, Any]) -> "asyncpg.Connection[Any]":
    """A connection by `url.connect_arguments()` and what the caller adds. Raises what asyncpg raises.

    A password that comes from a file is read again when it is refused. So the new one goes into the file first, then into the
    server: no connection fails in between, and no service is restarted.
    """
    connection: asyncpg.Connection[Any]
    try:
        connection = await asyncpg.connect(**arguments)
    except asyncpg.InvalidPasswordError:
        password = url.password_file.read() if url.password_file else ""
        if url.password_file is None or password in ("", arguments["password"]):
            raise
        connection = await asyncpg.connect(**{**arguments, "password": password})
        url.password_file.current = password
    return connection
