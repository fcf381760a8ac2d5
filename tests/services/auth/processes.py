"""Auth in processes of its own, as replicas on one database."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from tests.processes import Running, free_port, service_process
from tests.servers import PATIENT
from tests.services.auth.accounts import AuthDatabase


@contextlib.asynccontextmanager
async def auth_process(
    database: AuthDatabase, *, folder: Path, log: str = os.devnull, **settings: str
) -> AsyncIterator[Running]:
    """`python -m auth` on that database until the block ends; `settings` are further variables, `log` keeps what it
    says."""
    port = free_port()
    environment = {
        "AUTH_DATABASE_URL": database.settings.url.reveal(),
        "AUTH_SECRET": "s" * 32,
        "AUTH_PORT": str(port),
        "AUTH_MAIL_FOLDER": str(folder),
        "DB_POOL_WAIT_SECONDS": str(PATIENT.wait_seconds),
        **settings,
    }
    async with service_process("auth", port=port, environment=environment, log=log) as running:
        yield running
